// sarama against a server; what it says is read by test_kafka_clients.py.
//
//	sarama basic BROKER TOPIC | member BROKER GROUP TOPIC
package main

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/IBM/sarama"
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

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V4_0_0_0
	config.Producer.Return.Successes = true
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	return config
}

func topics(admin sarama.ClusterAdmin, topic string) {
	check(admin.CreateTopic(topic, &sarama.TopicDetail{NumPartitions: 2, ReplicationFactor: 1}, false))
	check(admin.CreatePartitions(topic, 4, nil, false))
	value := "86400000"
	entry := map[string]sarama.IncrementalAlterConfigsEntry{"retention.ms": {Operation: sarama.IncrementalAlterConfigsOperationSet, Value: &value}}
	check(admin.IncrementalAlterConfig(sarama.TopicResource, topic, entry, false))
	entries, err := admin.DescribeConfig(sarama.ConfigResource{Type: sarama.TopicResource, Name: topic, ConfigNames: []string{"retention.ms"}})
	check(err)
	demand(len(entries) == 1 && entries[0].Value == value, "a setting")
	described, err := admin.DescribeTopics([]string{topic})
	check(err)
	demand(len(described[0].Partitions) == 4, "partitions")
	fmt.Println("did create and grow topics, change settings")
}

func produce(broker, topic string) {
	codecs := []sarama.CompressionCodec{sarama.CompressionNone, sarama.CompressionGZIP, sarama.CompressionSnappy, sarama.CompressionLZ4, sarama.CompressionZSTD}
	for i, codec := range codecs {
		config := settings()
		config.Producer.Compression = codec
		if i%2 == 0 {
			config.Producer.Idempotent = true
			config.Producer.RequiredAcks = sarama.WaitForAll
			config.Net.MaxOpenRequests = 1
		}
		producer, err := sarama.NewSyncProducer([]string{broker}, config)
		check(err)
		messages := []*sarama.ProducerMessage{}
		for j := 0; j < 100; j++ {
			messages = append(messages, &sarama.ProducerMessage{Topic: topic, Key: sarama.StringEncoder(fmt.Sprint("k", j)), Value: sarama.StringEncoder(fmt.Sprint("v", j))})
		}
		check(producer.SendMessages(messages))
		check(producer.Close())
	}
}

type handler struct {
	got    atomic.Int64
	wanted int64
	done   func()
	tell   bool
}

func (h *handler) Setup(session sarama.ConsumerGroupSession) error {
	if h.tell {
		for _, partitions := range session.Claims() {
			fmt.Println("owned", strings.Trim(fmt.Sprint(partitions), "[]"))
		}
	}
	return nil
}

func (h *handler) Cleanup(sarama.ConsumerGroupSession) error {
	if h.tell {
		fmt.Println("owned")
	}
	return nil
}

func (h *handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		session.MarkMessage(message, "")
		got := h.got.Add(1)
		if h.tell {
			fmt.Println("got", got)
		}
		if got == h.wanted {
			session.Commit()
			h.done()
		}
	}
	return nil
}

func consume(broker, topic string, wanted int64) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	group, err := sarama.NewConsumerGroup([]string{broker}, topic, settings())
	check(err)
	mine := &handler{wanted: wanted, done: cancel}
	for ctx.Err() == nil {
		if err := group.Consume(ctx, []string{topic}, mine); err != nil && ctx.Err() == nil {
			panic(err)
		}
	}
	check(group.Close())
	demand(mine.got.Load() == wanted, "records ", mine.got.Load())
	fmt.Println("did produce with five codecs, partly idempotently, and consume in a group")
}

func offsets(admin sarama.ClusterAdmin, broker, topic string) {
	plain, err := sarama.NewClient([]string{broker}, settings())
	check(err)
	sum, committed := int64(0), int64(0)
	stored, err := admin.ListConsumerGroupOffsets(topic, map[string][]int32{topic: {0, 1, 2, 3}})
	check(err)
	for partition := int32(0); partition < 4; partition++ {
		end, err := plain.GetOffset(topic, partition, sarama.OffsetNewest)
		check(err)
		sum += end
		if block := stored.GetBlock(topic, partition); block != nil && block.Offset > 0 {
			committed += block.Offset
		}
	}
	demand(sum == 500 && committed == 500, "offsets ", sum, " ", committed)
	check(plain.Close())
	check(admin.DeleteRecords(topic, map[int32]int64{0: 1}))
	check(admin.DeleteTopic(topic))
	fmt.Println("did list offsets, delete records")
}

func basic(broker, topic string) {
	admin, err := sarama.NewClusterAdmin([]string{broker}, settings())
	check(err)
	topics(admin, topic)
	produce(broker, topic)
	consume(broker, topic, 500)
	offsets(admin, broker, topic)
	check(admin.Close())
}

func member(broker, name, topic string) {
	config := settings()
	config.Consumer.Group.Session.Timeout = 6 * time.Second
	config.Consumer.Group.Heartbeat.Interval = 500 * time.Millisecond
	config.Consumer.Offsets.AutoCommit.Interval = 200 * time.Millisecond
	group, err := sarama.NewConsumerGroup([]string{broker}, name, config)
	check(err)
	mine := &handler{tell: true}
	for {
		if err := group.Consume(context.Background(), []string{topic}, mine); err != nil {
			fmt.Println("late", err)
		}
	}
}

func main() {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == "github.com/IBM/sarama" {
			fmt.Println("version", dependency.Version)
		}
	}
	if os.Args[1] == "basic" {
		basic(os.Args[2], os.Args[3])
	} else {
		member(os.Args[2], os.Args[3], os.Args[4])
	}
}
