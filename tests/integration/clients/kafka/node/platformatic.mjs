// @platformatic/kafka against a server; what it says is read by test_kafka_clients.py.
//
//   platformatic.mjs basic BROKER TOPIC | member BROKER GROUP TOPIC
import assert from 'node:assert'
import { readFileSync } from 'node:fs'
import { Admin, Consumer, Producer, ProduceAcks, stringSerializers, stringDeserializers, MessagesStreamModes } from '@platformatic/kafka'

const [mode, broker, ...names] = process.argv.slice(2)
const base = { clientId: 'platformatic', bootstrapBrokers: [broker] }

async function basic(topic) {
  const admin = new Admin({ ...base })
  await admin.createTopics({ topics: [topic], partitions: 2, replicas: 1 })
  await admin.createPartitions({ topics: [{ name: topic, count: 4 }], validateOnly: false })
  const metadata = await admin.metadata({ topics: [topic], forceUpdate: true })
  assert.equal(metadata.topics.get(topic).partitionsCount, 4)
  console.log('did create and grow topics')

  for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'].slice(0, 2)) {
    const producer = new Producer({ ...base, serializers: stringSerializers, idempotent: true, acks: ProduceAcks.ALL, compression })
    await producer.send({ messages: Array.from({ length: 100 }, (_, i) => ({ topic, key: `k${i}`, value: `v${i}`, headers: { h: 'x' } })) })
    await producer.close()
  }
  const consumer = new Consumer({ ...base, groupId: topic, deserializers: stringDeserializers })
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.EARLIEST, autocommit: false, maxWaitTime: 500 })
  let got = 0, last
  for await (const message of stream) {
    assert.equal(message.headers.get('h'), 'x')
    await message.commit()
    if (++got === 200) break
  }
  await consumer.close(true)
  console.log('did produce idempotently, plain and with gzip, and consume in a group')

  const groups = await admin.listGroups()
  assert.ok(groups.has(topic))
  const described = await admin.describeGroups({ groups: [topic] })
  assert.equal(described.get(topic).state, 'EMPTY')
  await admin.deleteGroups({ groups: [topic] })
  await admin.deleteTopics({ topics: [topic] })
  await admin.close()
  console.log('did list, describe and delete groups')
}

async function member(groupId, topic) {
  const consumer = new Consumer({ ...base, groupId, deserializers: stringDeserializers, sessionTimeout: 6000, rebalanceTimeout: 10000, heartbeatInterval: 500 })
  let got = 0
  consumer.on('consumer:group:join', ({ assignments }) =>
    console.log('owned', (assignments ?? []).filter(one => one.topic === topic).flatMap(one => one.partitions).join(' ')))
  consumer.on('consumer:group:rebalance', () => console.log('owned'))
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.COMMITTED, fallbackMode: 'earliest', autocommit: 200, maxWaitTime: 500 })
  for await (const _ of stream) console.log('got', ++got)
}

const manifest = new URL('package.json', new URL('../', import.meta.resolve('@platformatic/kafka')))
console.log('version', JSON.parse(readFileSync(manifest)).version)
await (mode === 'basic' ? basic(...names) : member(...names))
