// tokio-postgres: binary everywhere, row streams, portals, transactions, COPY both ways. client PORT TOPIC
use bytes::Bytes;
use futures_util::{pin_mut, SinkExt, TryStreamExt};
use std::error::Error;
use tokio_postgres::{error::SqlState, Client, NoTls};

type Outcome = Result<(), Box<dyn Error>>;

async fn values(client: &Client) -> Outcome {
    let moment = chrono::DateTime::from_timestamp(1704164645, 678000).unwrap();
    let row = client
        .query_one(
            "SELECT $1::int4, $2::int8, $3::float8, $4::text, $5::timestamptz, $6::bytea, $7::int4[], $8::jsonb, $9::bool",
            &[&7i32, &(1i64 << 40), &0.25f64, &"\u{20ac}", &moment, &vec![0u8, 255], &vec![Some(1i32), None],
              &serde_json::json!({"a": 1}), &true],
        )
        .await?;
    assert_eq!(row.get::<_, i32>(0), 7);
    assert_eq!(row.get::<_, i64>(1), 1 << 40);
    assert_eq!(row.get::<_, f64>(2), 0.25);
    assert_eq!(row.get::<_, &str>(3), "\u{20ac}");
    assert_eq!(row.get::<_, chrono::DateTime<chrono::Utc>>(4), moment);
    assert_eq!(row.get::<_, Vec<u8>>(5), vec![0, 255]);
    assert_eq!(row.get::<_, Vec<Option<i32>>>(6), vec![Some(1), None]);
    assert_eq!(row.get::<_, serde_json::Value>(7), serde_json::json!({"a": 1}));
    assert!(row.get::<_, bool>(8));
    Ok(())
}

async fn rows(client: &mut Client, topic: &str) -> Outcome {
    let found = client
        .query(&format!("SELECT \"offset\", key FROM \"{topic}\" WHERE \"offset\" < $1 AND partition = $2 ORDER BY 1"), &[&3i64, &0i32])
        .await?;
    assert_eq!(found.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), vec![0, 1, 2]);
    let transaction = client.transaction().await?;
    let portal = transaction.bind("SELECT x FROM generate_series(1, 1000) s(x)", &[]).await?;
    assert_eq!(transaction.query_portal(&portal, 10).await?.len(), 10);
    assert_eq!(transaction.query_one("SELECT 5", &[]).await?.get::<_, i32>(0), 5);
    assert_eq!(transaction.query_portal(&portal, 10).await?[0].get::<_, i32>(0), 11);
    assert_eq!(transaction.query_portal(&portal, 0).await?.len(), 980);
    transaction.commit().await?;
    let failed = client.query("SELECT 1/0", &[]).await.unwrap_err();
    assert_eq!(failed.code(), Some(&SqlState::DIVISION_BY_ZERO));
    Ok(())
}

async fn writes(client: &mut Client, topic: &str) -> Outcome {
    let insert = format!("INSERT INTO \"{topic}\" (key, value) VALUES ($1, $2)");
    let transaction = client.transaction().await?;
    transaction.execute(&insert, &[&"undone", &"1"]).await?;
    transaction.rollback().await?;
    assert_eq!(client.execute(&insert, &[&"rust", &Some("1")]).await?, 1);
    let sink = client.copy_in(&format!("COPY \"{topic}\" (key, value) FROM STDIN")).await?;
    pin_mut!(sink);
    sink.send(Bytes::from_static(b"rust\t2\nru")).await?;
    sink.send(Bytes::from_static(b"st\t\\N\n")).await?;
    assert_eq!(sink.finish().await?, 2);
    let copied = client.copy_out(&format!("COPY (SELECT value FROM \"{topic}\" WHERE key = 'rust' ORDER BY 1) TO STDOUT")).await?;
    let bytes: Vec<Bytes> = copied.try_collect().await?;
    assert_eq!(bytes.concat(), b"1\n2\n\\N\n");
    let left = client.query_one(&format!("SELECT count(*) FROM \"{topic}\" WHERE key = 'undone'"), &[]).await?;
    assert_eq!(left.get::<_, i64>(0), 0);
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().collect();
    let (port, topic) = (&arguments[1], &arguments[2]);
    let (mut client, connection) =
        tokio_postgres::connect(&format!("host=127.0.0.1 port={port} user=rust dbname=pyralog"), NoTls).await?;
    tokio::spawn(connection);
    values(&client).await?;
    rows(&mut client, topic).await?;
    writes(&mut client, topic).await
}
