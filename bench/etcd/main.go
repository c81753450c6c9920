// Load on an etcd: leases granted, or transactions that compare a key and raise it, by so many clients for so long.
//
//	etcd_load ENDPOINT lease|keep|txn CLIENTS SECONDS
//
// Prints {"per_s": N}. Each client has a connection of its own and asks one thing after the other.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// One of the operation; `number` is how many this client has done.
func operation(kind string, client *clientv3.Client, i int) func(number int) error {
	background := context.Background()
	key := fmt.Sprintf("key-%d", i)
	switch kind {
	case "lease":
		return func(int) error {
			_, err := client.Grant(background, 60)
			return err
		}
	case "keep":
		lease, err := client.Grant(background, 60)
		must(err)
		return func(int) error {
			_, err := client.KeepAliveOnce(background, lease.ID)
			return err
		}
	default:
		return func(number int) error {
			_, err := client.Txn(background).
				If(clientv3.Compare(clientv3.Version(key), "=", number)).
				Then(clientv3.OpPut(key, strconv.Itoa(number))).
				Commit()
			return err
		}
	}
}

func main() {
	endpoint, kind := os.Args[1], os.Args[2]
	clients, err := strconv.Atoi(os.Args[3])
	must(err)
	seconds, err := strconv.ParseFloat(os.Args[4], 64)
	must(err)
	var done atomic.Int64
	var all sync.WaitGroup
	run := make([]func(number int) error, clients)
	for i := range run {
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 5 * time.Second})
		must(err)
		defer client.Close()
		run[i] = operation(kind, client, i)
		must(run[i](0)) // connected
	}
	began := time.Now()
	until := began.Add(time.Duration(seconds * float64(time.Second)))
	for i := range run {
		all.Add(1)
		go func(one func(number int) error) {
			defer all.Done()
			for number := 1; time.Now().Before(until); number++ {
				must(one(number))
				done.Add(1)
			}
		}(run[i])
	}
	all.Wait()
	fmt.Printf("{\"per_s\": %.1f}\n", float64(done.Load())/time.Since(began).Seconds())
}
