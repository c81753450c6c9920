// A member of a group, Java's client, that tells what group_worker.py tells, in the same lines: commits what it has consumed, and
// before it gives a partition up.
//
//   KafkaWorker BROKER GROUP TOPIC CONFIG    CONFIG: name=value,name=value, of the consumer

import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.serialization.*;

public class KafkaWorker implements ConsumerRebalanceListener {
    static volatile boolean running = true;
    final KafkaConsumer<String, String> consumer;
    final Map<TopicPartition, OffsetAndMetadata> next = new HashMap<>();

    KafkaWorker(Map<String, Object> settings) {
        consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
    }

    static double now() {
        return System.nanoTime() / 1e9;
    }

    static void say(String what, Object... rest) {
        System.out.println("[\"" + what + "\", " + now() + Stream.of(rest).map(one -> ", " + one).collect(Collectors.joining()) + "]");
        System.out.flush();
    }

    static List<Integer> numbers(Collection<TopicPartition> partitions) {
        return partitions.stream().map(TopicPartition::partition).toList();
    }

    // Null, or why not.
    Exception commit(Map<TopicPartition, OffsetAndMetadata> offsets) {
        double began = now();
        try {
            consumer.commitSync(offsets);
        } catch (CommitFailedException | RebalanceInProgressException | RetriableException | UnknownMemberIdException refused) {
            return refused;
        }
        say("committed", began, offsets.entrySet().stream().map(e -> "\"" + e.getKey().partition() + "\": " + e.getValue().offset()).collect(Collectors.joining(", ", "{", "}")));
        return null;
    }

    void forget(String what, Collection<TopicPartition> partitions) {
        next.keySet().removeAll(partitions);
        say(what, numbers(partitions));
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        say("assigned", numbers(partitions));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        var places = new HashMap<>(next);
        places.keySet().retainAll(partitions);
        if (!places.isEmpty()) {
            Exception why = commit(places);
            if (why != null) say("uncommitted", "\"" + why.getClass().getSimpleName() + "\"");
        }
        forget("revoked", partitions);
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        forget("lost", partitions);
    }

    void run(String topic) {
        double committed = 0;
        consumer.subscribe(List.of(topic), this);
        while (running) {
            ConsumerRecords<String, String> records = consumer.poll(Duration.ofMillis(100));
            for (TopicPartition partition : records.partitions()) {
                var some = records.records(partition);
                say("seen", partition.partition(), some.stream().map(r -> "[" + r.offset() + ", \"" + r.value() + "\"]").toList());
                next.put(partition, new OffsetAndMetadata(some.get(some.size() - 1).offset() + 1));
            }
            if (!next.isEmpty() && now() - committed > 0.2) {
                commit(new HashMap<>(next)); // refused in the middle of a rebalance: soon again
                committed = now();
            }
        }
        consumer.close();
        say("closed");
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Object> settings = new HashMap<>(Map.of("bootstrap.servers", arguments[0], "group.id", arguments[1],
            "auto.offset.reset", "earliest", "enable.auto.commit", "false", "max.poll.records", "50"));
        for (String pair : arguments[3].split(",")) settings.put(pair.split("=")[0], pair.split("=")[1]);
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            running = false;
            try {
                main.join();
            } catch (InterruptedException ignored) {
                // it ends anyway
            }
        }));
        new KafkaWorker(settings).run(arguments[2]);
    }
}
