// @confluentinc/kafka-javascript against a server; what it says is read by test_kafka_clients.py.
//
//   confluent.mjs basic BROKER TOPIC | member BROKER GROUP TOPIC
import assert from 'node:assert'
import { createRequire } from 'node:module'

const require = createRequire(import.meta.url)
const { Kafka, CompressionTypes, ErrorCodes, logLevel } = require('@confluentinc/kafka-javascript').KafkaJS
const [mode, broker, ...names] = process.argv.slice(2)
const kafka = new Kafka({ kafkaJS: { brokers: [broker], logLevel: logLevel.NOTHING } })

async function basic(topic) {
  const admin = kafka.admin()
  await admin.connect()
  await admin.createTopics({ topics: [{ topic, numPartitions: 4 }] })
  assert.equal((await admin.fetchTopicMetadata({ topics: [topic] }))[0].partitions.length, 4)
  console.log('did create and describe topics')

  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP, CompressionTypes.LZ4]) {
    const producer = kafka.producer({ kafkaJS: { compression, idempotent: true } })
    await producer.connect()
    await producer.send({ topic, messages: Array.from({ length: 100 }, (_, i) => ({ key: `k${i}`, value: `v${i}`, headers: { h: 'x' } })) })
    await producer.disconnect()
  }
  const consumer = kafka.consumer({ kafkaJS: { groupId: topic, fromBeginning: true, autoCommit: true } })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic] })
  let got = 0
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error(`${got} records`)), 30000).unref()
    consumer.run({ eachMessage: async () => { if (++got === 300) resolve() } })
  })
  await consumer.disconnect()
  console.log('did produce idempotently with three codecs, and consume in a group')

  const ends = await admin.fetchTopicOffsets(topic)
  assert.equal(ends.reduce((sum, one) => sum + Number(one.high), 0), 300)
  const committed = await admin.fetchOffsets({ groupId: topic, topics: [topic] })
  assert.equal(committed[0].partitions.reduce((sum, one) => sum + Math.max(Number(one.offset), 0), 0), 300)
  await admin.deleteGroups([topic])
  await admin.deleteTopics({ topics: [topic] })
  await admin.disconnect()
  console.log('did list and fetch offsets, delete groups')
}

async function member(groupId, topic) {
  let got = 0
  const tell = (change, partitions) =>
    console.log('owned', change.code === ErrorCodes.ERR__ASSIGN_PARTITIONS ? partitions.map(one => one.partition).join(' ') : '')
  const consumer = kafka.consumer({
    kafkaJS: { groupId, fromBeginning: true, sessionTimeout: 6000, heartbeatInterval: 500, autoCommitInterval: 200 },
    rebalance_cb: tell
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic] })
  await consumer.run({ eachMessage: async () => console.log('got', ++got) })
}

console.log('version', require('@confluentinc/kafka-javascript/package.json').version)
await (mode === 'basic' ? basic(...names) : member(...names))
if (mode === 'basic') process.exit(0)
