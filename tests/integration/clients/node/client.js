// node-postgres: pool, text and prepared statements, transactions, cursors, streams. node client.js PORT TOPIC
const assert = require("assert");
const { Pool } = require("pg");
const Cursor = require("pg-cursor");
const QueryStream = require("pg-query-stream");

async function values(client) {
  const row = (await client.query("SELECT 1::int4 AS a, 2::int8 AS b, 1.5::numeric AS n, true AS t, 'x' AS s, ARRAY[1,2] AS l, "
    + "'{\"a\": 1}'::jsonb AS j, timestamptz '2024-01-02 03:04:05+00' AS z, '\\x00ff'::bytea AS y")).rows[0];
  assert.deepStrictEqual([row.a, row.b, row.n, row.t, row.s, row.l, row.j], [1, "2", "1.5", true, "x", [1, 2], { a: 1 }]);
  assert.strictEqual(row.z.toISOString(), "2024-01-02T03:04:05.000Z");
  assert.ok(row.y.equals(Buffer.from([0, 255])));
  const sent = (await client.query("SELECT $1::int + 1 AS n, $2::text AS t, $3::timestamptz AS z, $4::text[] AS l",
    [41, "\u20ac", new Date(0), ["a", 'b"']])).rows[0];
  assert.deepStrictEqual([sent.n, sent.t, sent.z.getTime(), sent.l], [42, "\u20ac", 0, ["a", 'b"']]);
}

async function statements(client, topic) {
  const name = { name: "by-offset", text: `SELECT key FROM "${topic}" WHERE "offset" = $1 AND partition = $2` };
  for (let i = 0; i < 3; i++) assert.deepStrictEqual((await client.query({ ...name, values: [i, 0] })).rows, [{ key: "k" }]);
  await client.query("BEGIN");
  await client.query(`INSERT INTO "${topic}" (key, value) VALUES ($1, $2)`, ["node", '{"n": 1}']);
  await client.query("ROLLBACK");
  const inserted = await client.query(`INSERT INTO "${topic}" (key, value) VALUES ($1, $2) RETURNING "offset", key`, ["node", "1"]);
  assert.strictEqual(inserted.rowCount, 1);
  assert.strictEqual(inserted.rows[0].key, "node");
  assert.strictEqual((await client.query(`SELECT count(*)::int AS n FROM "${topic}" WHERE key = 'node'`)).rows[0].n, 1);
  await assert.rejects(client.query("SELECT 1/0"), { code: "22012" });
}

async function streams(client) {
  await client.query("BEGIN");
  const cursor = client.query(new Cursor("SELECT x FROM generate_series(1, 1000) s(x)"));
  assert.strictEqual((await cursor.read(10)).length, 10);
  assert.strictEqual((await cursor.read(10))[0].x, 11);
  await cursor.close();
  let seen = 0;
  for await (const row of client.query(new QueryStream("SELECT x FROM generate_series(1, $1::int) s(x)", [5000]))) seen += row.x > 0;
  assert.strictEqual(seen, 5000);
  await client.query("COMMIT");
}

async function main([port, topic]) {
  const pool = new Pool({ host: "127.0.0.1", port: Number(port), user: "node", database: "pyralog", max: 4 });
  const client = await pool.connect();
  await values(client);
  await statements(client, topic);
  await streams(client);
  client.release();
  const all = await Promise.all([...Array(20).keys()].map((i) => pool.query("SELECT $1::int AS i", [i])));
  assert.deepStrictEqual(all.map((result) => result.rows[0].i), [...Array(20).keys()]);
  await pool.end();
}

main(process.argv.slice(2)).catch((error) => { console.error(error); process.exit(1); });
