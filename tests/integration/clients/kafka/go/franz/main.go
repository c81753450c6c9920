// franz-go against a server; what it says is read by test_kafka_clients.py.
//
//	franz basic BROKER TOPIC | member BROKER GROUP TOPIC
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func demand(holds bool, what ...any) {
	if !holds {
		panic(fmt.Sprint(what...))
	}
}

func client(broker string, options ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append(options, kgo.SeedBrokers(broker))...)
	check(err)
	return made
}

func topics(ctx context.Context, admin *kadm.Client, topic string) {
	_, err := admin.CreateTopic(ctx, 2, 1, nil, topic)
	check(err)
	grown, err := admin.CreatePartitions(ctx, 2, topic)
	check(err)
	check(grown.Error())
	described, err := admin.ListTopics(ctx, topic)
	check(err)
	demand(len(described[topic].Partitions) == 4, "partitions")
	value := "86400000"
	altered, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "retention.ms", Value: &value}}, topic)
	check(err)
	check(altered[0].Err)
	configs, err := admin.DescribeTopicConfigs(ctx, topic)
	check(err)
	for _, config := range configs[0].Configs {
		demand(config.Key != "retention.ms" || *config.Value == value, "a setting")
	}
	fmt.Println("did create and grow topics, change settings")
}

func produce(ctx context.Context, broker, topic string) {
	codecs := []kgo.CompressionCodec{kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression()}
	for _, codec := range codecs {
		producer := client(broker, kgo.ProducerBatchCompression(codec), kgo.DefaultProduceTopic(topic))
		for i := 0; i < 100; i++ {
			producer.Produce(ctx, kgo.KeyStringRecord(fmt.Sprint("k", i), fmt.Sprint("v", i)), func(_ *kgo.Record, err error) { check(err) })
		}
		check(producer.Flush(ctx))
		producer.Close()
	}
}

func consume(ctx context.Context, broker, topic string, expected int) {
	consumer := client(broker, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(topic), kgo.DisableAutoCommit(), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	defer consumer.Close()
	got := 0
	for got < expected {
		fetches := consumer.PollFetches(ctx)
		check(ctx.Err())
		got += fetches.NumRecords()
	}
	check(consumer.CommitUncommittedOffsets(ctx))
	fmt.Println("did produce idempotently with five codecs, and consume in a group")
}

func offsets(ctx context.Context, admin *kadm.Client, topic string) {
	ends, err := admin.ListEndOffsets(ctx, topic)
	check(err)
	sum := int64(0)
	ends.Each(func(one kadm.ListedOffset) { sum += one.Offset })
	demand(sum == 500, "ends ", sum)
	lags, err := admin.Lag(ctx, topic)
	check(err)
	demand(lags[topic].Lag.Total() == 0, "lag")
	described, err := admin.DescribeGroups(ctx, topic)
	check(err)
	demand(described[topic].State == "Empty" || described[topic].State == "Stable", described[topic].State)
	fmt.Println("did list offsets, groups and their lag")
	_, err = admin.DeleteTopics(ctx, topic)
	check(err)
}

func basic(broker, topic string) {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	plain := client(broker)
	defer plain.Close()
	admin := kadm.NewClient(plain)
	topics(ctx, admin, topic)
	produce(ctx, broker, topic)
	consume(ctx, broker, topic, 500)
	offsets(ctx, admin, topic)
}

type owner struct {
	lock  sync.Mutex
	owned map[int32]bool
}

func (o *owner) change(partitions []int32, has bool) {
	o.lock.Lock()
	defer o.lock.Unlock()
	for _, partition := range partitions {
		delete(o.owned, partition)
		if has {
			o.owned[partition] = true
		}
	}
	names := []string{}
	for partition := range o.owned {
		names = append(names, fmt.Sprint(partition))
	}
	sort.Strings(names)
	fmt.Println("owned " + strings.Join(names, " "))
}

func member(broker, group, topic string) {
	ctx, mine := context.Background(), owner{owned: map[int32]bool{}}
	on := func(has bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, all map[string][]int32) { mine.change(all[topic], has) }
	}
	consumer := client(broker, kgo.ConsumeTopics(topic), kgo.ConsumerGroup(group), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(6*time.Second), kgo.HeartbeatInterval(500*time.Millisecond), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.OnPartitionsAssigned(on(true)), kgo.OnPartitionsRevoked(on(false)), kgo.OnPartitionsLost(on(false)))
	for got := 0; ; {
		count := consumer.PollFetches(ctx).NumRecords()
		if count == 0 {
			continue
		}
		got += count
		fmt.Println("got", got)
		if err := consumer.CommitUncommittedOffsets(ctx); err != nil {
			fmt.Println("late", err)
		}
	}
}

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == "github.com/twmb/franz-go" {
			fmt.Println("version", dependency.Version)
		}
	}
	if os.Args[1] == "basic" {
		basic(os.Args[2], os.Args[3])
	} else {
		member(os.Args[2], os.Args[3], os.Args[4])
	}
}
