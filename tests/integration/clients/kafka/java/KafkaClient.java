// Apache Kafka's Java client against a server; what it says is read by test_kafka_clients.py.
//
//   KafkaClient basic BROKER TOPIC                      "did ..." for each thing shown
//   KafkaClient member BROKER GROUP TOPIC [PROTOCOL]    "owned ..." and "got ..." until it is ended

import java.time.Duration;
import java.util.*;
import java.util.concurrent.ExecutionException;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.*;
import org.apache.kafka.common.quota.*;
import org.apache.kafka.common.serialization.*;
import org.apache.kafka.common.utils.AppInfoParser;

public class KafkaClient {
    static String broker, topic;

    static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    static void demand(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static Map<String, Object> settings(Object... pairs) {
        Map<String, Object> map = new HashMap<>(Map.of("bootstrap.servers", broker));
        for (int i = 0; i < pairs.length; i += 2) map.put((String) pairs[i], pairs[i + 1]);
        return map;
    }

    static KafkaConsumer<String, String> consumer(Object... pairs) {
        Map<String, Object> map = settings("auto.offset.reset", "earliest", "enable.auto.commit", "false");
        map.putAll(settings(pairs));
        return new KafkaConsumer<>(map, new StringDeserializer(), new StringDeserializer());
    }

    static void produce(String codec) throws Exception {
        try (var producer = new KafkaProducer<>(settings("compression.type", codec, "linger.ms", 5), new StringSerializer(), new StringSerializer())) {
            var sent = new ArrayList<java.util.concurrent.Future<RecordMetadata>>();
            for (int i = 0; i < 200; i++) sent.add(producer.send(new ProducerRecord<>(topic, "k" + i, codec + i)));
            for (var one : sent) demand(one.get().hasOffset(), "an offset");
        }
    }

    static List<TopicPartition> partitions(int count) {
        return IntStream.range(0, count).mapToObj(i -> new TopicPartition(topic, i)).toList();
    }

    static void consume(int expected) {
        try (var consumer = consumer()) {
            consumer.assign(partitions(4));
            consumer.seekToBeginning(partitions(4));
            Set<String> values = new HashSet<>();
            for (long until = System.currentTimeMillis() + 20000; values.size() < expected && System.currentTimeMillis() < until; )
                for (var record : consumer.poll(Duration.ofMillis(200))) values.add(record.value());
            demand(values.size() == expected, values.size() + " records of " + expected);
            long first = consumer.offsetsForTimes(Map.of(new TopicPartition(topic, 0), 0L)).get(new TopicPartition(topic, 0)).offset();
            demand(first == 0, "the first record by time");
        }
    }

    static void group(String protocol) throws Exception {
        String name = topic + "-" + protocol;
        try (var consumer = consumer("group.id", name, "group.protocol", protocol)) {
            consumer.subscribe(List.of(topic));
            int got = 0;
            for (long until = System.currentTimeMillis() + 20000; got < 1000 && System.currentTimeMillis() < until; ) got += consumer.poll(Duration.ofMillis(200)).count();
            demand(got == 1000, got + " records in a group");
            consumer.commitSync();
            demand(consumer.committed(new HashSet<>(partitions(4))).values().stream().mapToLong(OffsetAndMetadata::offset).sum() == 1000, "committed offsets");
        }
    }

    static <T> T fails(KafkaFuture<T> future, Class<?> expected) throws Exception {
        try {
            future.get();
        } catch (ExecutionException failure) {
            demand(expected.isInstance(failure.getCause()), "another error: " + failure.getCause());
            return null;
        }
        throw new AssertionError("no error, but " + expected);
    }

    static void topics(Admin admin) throws Exception {
        admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all().get();
        fails(admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all(), TopicExistsException.class);
        admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
        fails(admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(3))).all(), InvalidPartitionsException.class);
        demand(admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().size() == 4, "4 partitions");
        say("did create, grow and describe topics");
    }

    static void configs(Admin admin) throws Exception {
        var resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
        var set = new AlterConfigOp(new ConfigEntry("retention.ms", "86400000"), AlterConfigOp.OpType.SET);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
        var wrong = new AlterConfigOp(new ConfigEntry("retention.ms", "soon"), AlterConfigOp.OpType.SET);
        fails(admin.incrementalAlterConfigs(Map.of(resource, List.of(wrong))).all(), InvalidConfigurationException.class);
        var entry = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms");
        demand(entry.value().equals("86400000") && entry.type() == ConfigEntry.ConfigType.LONG, "the setting");
        say("did change and describe settings");
    }

    static void more(Admin admin) throws Exception {
        var offsets = admin.listOffsets(partitions(4).stream().collect(Collectors.toMap(p -> p, p -> OffsetSpec.latest()))).all().get();
        demand(offsets.values().stream().mapToLong(o -> o.offset()).sum() == 1000, "ends");
        var busiest = offsets.entrySet().stream().max(Comparator.comparingLong(e -> e.getValue().offset())).get().getKey();
        demand(!admin.describeProducers(List.of(busiest)).all().get().get(busiest).activeProducers().isEmpty(), "producers");
        demand(admin.describeLogDirs(List.of(1)).allDescriptions().get().get(1).values().iterator().next().replicaInfos().containsKey(busiest), "log dirs");
        admin.deleteRecords(Map.of(busiest, RecordsToDelete.beforeOffset(1))).all().get();
        demand(admin.listOffsets(Map.of(busiest, OffsetSpec.earliest())).all().get().get(busiest).offset() == 1, "a log start");
        say("did list offsets, delete records, describe producers and log dirs");
        var entity = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, topic));
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(new ClientQuotaAlteration.Op("producer_byte_rate", 5000.0))))).all().get();
        demand(admin.describeClientQuotas(ClientQuotaFilter.all()).entities().get().get(entity).get("producer_byte_rate") == 5000.0, "a quota");
        say("did set and describe quotas");
    }

    static void groups(Admin admin) throws Exception {
        String classic = topic + "-classic", modern = topic + "-consumer";
        Set<String> listed = admin.listGroups().all().get().stream().map(GroupListing::groupId).collect(Collectors.toSet());
        demand(listed.containsAll(List.of(classic, modern)), "groups");
        demand(admin.describeConsumerGroups(List.of(classic, modern)).all().get().get(modern).type() == GroupType.CONSUMER, "types");
        demand(admin.listConsumerGroupOffsets(classic).partitionsToOffsetAndMetadata().get().size() == 4, "offsets");
        admin.alterConsumerGroupOffsets(classic, Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0))).all().get();
        admin.deleteConsumerGroupOffsets(classic, Set.of(new TopicPartition(topic, 1))).all().get();
        admin.deleteConsumerGroups(List.of(classic, modern)).all().get();
        say("did list, describe, alter and delete groups of both protocols");
    }

    static void basic() throws Exception {
        try (var admin = Admin.create(settings())) {
            topics(admin);
            configs(admin);
            for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) produce(codec);
            consume(1000);
            say("did produce with five codecs, idempotently, and consume");
            group("classic");
            group("consumer");
            groups(admin);
            more(admin);
            admin.deleteTopics(List.of(topic)).all().get();
        }
    }

    static void member(String group, String protocol) {
        var pairs = new ArrayList<Object>(List.of("group.id", group, "group.protocol", protocol));
        if (protocol.equals("classic")) pairs.addAll(List.of("session.timeout.ms", 6000, "heartbeat.interval.ms", 500));
        try (var consumer = consumer(pairs.toArray())) {
            consumer.subscribe(List.of(topic));
            String before = "";
            for (long got = 0; ; ) {
                ConsumerRecords<String, String> records = ConsumerRecords.empty();
                try {
                    records = consumer.poll(Duration.ofMillis(100));
                } catch (UnknownMemberIdException fenced) {
                    say("fenced " + fenced.getMessage()); // it may ask for offsets before its heartbeat tells it so
                }
                String owned = consumer.assignment().stream().map(p -> " " + p.partition()).sorted().collect(Collectors.joining());
                if (!owned.equals(before)) say("owned" + owned);
                before = owned;
                if (records.isEmpty()) continue;
                say("got " + (got += records.count()));
                try {
                    consumer.commitSync();
                } catch (CommitFailedException late) {
                    say("late " + late.getMessage());
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        broker = arguments[1];
        topic = arguments[arguments[0].equals("member") ? 3 : 2];
        say("version " + AppInfoParser.getVersion());
        if (arguments[0].equals("member")) member(arguments[2], arguments[4]);
        else basic();
        System.exit(0);
    }
}
