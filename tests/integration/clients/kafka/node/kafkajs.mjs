// kafkajs against a server; what it says is read by test_kafka_clients.py.
//
//   kafkajs.mjs basic BROKER TOPIC | member BROKER GROUP TOPIC
import assert from 'node:assert'
import { createRequire } from 'node:module'
import kafkajs from 'kafkajs'

const { Kafka, CompressionTypes, ConfigResourceTypes, logLevel } = kafkajs
const [mode, broker, ...names] = process.argv.slice(2)
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING })

async function basic(topic) {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 2 }] })
  await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] })
  const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
  await admin.alterConfigs({ validateOnly: false, resources: [{ ...resource, configEntries: [{ name: 'retention.ms', value: '86400000' }] }] })
  const described = await admin.describeConfigs({ resources: [{ ...resource, configNames: ['retention.ms'] }], includeSynonyms: true })
  assert.equal(described.resources[0].configEntries[0].configValue, '86400000')
  console.log('did create and grow topics, change settings')

  for (const options of [{}, { idempotent: true, maxInFlightRequests: 1 }]) {
    const producer = kafka.producer(options)
    await producer.connect()
    for (const compression of [CompressionTypes.None, CompressionTypes.GZIP])
      await producer.send({ topic, compression, messages: Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, value: `v${i}`, headers: { h: 'x' } })) })
    await producer.disconnect()
  }
  const consumer = kafka.consumer({ groupId: topic })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  let got = 0
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${got} records`)), 30000).unref()
    consumer.run({ eachMessage: async ({ message }) => { assert.equal(message.headers.h.toString(), 'x'); if (++got === 400) resolve() } })
  })
  await consumer.disconnect()
  console.log('did produce plain, with gzip and idempotently, and consume in a group')

  const ends = await admin.fetchTopicOffsets(topic)
  assert.equal(ends.reduce((sum, one) => sum + Number(one.high), 0), 400)
  assert.equal((await admin.fetchTopicOffsetsByTimestamp(topic, 1)).reduce((sum, one) => sum + Number(one.offset), 0), 0)
  const committed = await admin.fetchOffsets({ groupId: topic, topics: [topic] })
  assert.equal(committed[0].partitions.reduce((sum, one) => sum + Number(one.offset), 0), 400)
  assert.equal((await admin.describeGroups([topic])).groups[0].state, 'Empty')
  await admin.resetOffsets({ groupId: topic, topic, earliest: true })
  await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: ends.find(one => one.partition === 0).high }] })
  await admin.deleteGroups([topic])
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
  console.log('did list, reset and fetch offsets, describe and delete groups, delete records')
}

async function member(groupId, topic) {
  const consumer = kafka.consumer({ groupId, sessionTimeout: 6000, heartbeatInterval: 500, rebalanceTimeout: 10000 })
  let got = 0
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => console.log('owned', (payload.memberAssignment[topic] ?? []).join(' ')))
  consumer.on(consumer.events.REBALANCING, () => console.log('owned'))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({ eachMessage: async () => console.log('got', ++got) })
}

console.log('version', createRequire(import.meta.url)('kafkajs/package.json').version)
await (mode === 'basic' ? basic(...names) : member(...names))
