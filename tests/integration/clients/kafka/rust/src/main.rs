//! rskafka against a server; what it says is read by test_kafka_clients.py. It has no groups.
//!
//!     client basic BROKER TOPIC

use std::collections::BTreeMap;
use std::error::Error;

use chrono::Utc;
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::ClientBuilder;
use rskafka::record::Record;

const PER_CODEC: i64 = 100;

fn record(i: i64) -> Record {
    Record {
        key: Some(format!("k{i}").into_bytes()),
        value: Some(format!("v{i}").into_bytes()),
        headers: BTreeMap::from([("h".to_owned(), b"x".to_vec())]),
        timestamp: Utc::now(),
    }
}

async fn consume(partition: &PartitionClient, expected: i64) -> Result<(), Box<dyn Error>> {
    let mut next = 0;
    while next < expected {
        let (records, _) = partition.fetch_records(next, 1..1_000_000, 1000).await?;
        for one in records {
            assert_eq!(one.offset, next);
            assert_eq!(one.record, Record { timestamp: one.record.timestamp, ..record(next % PER_CODEC) });
            next += 1;
        }
    }
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let (broker, topic) = (arguments[2].clone(), arguments[3].clone());
    println!("version {}", env!("RSKAFKA_VERSION"));
    let client = ClientBuilder::new(vec![broker]).build().await?;
    let controller = client.controller_client()?;
    controller.create_topic(&topic, 2, 1, 5000).await?;
    assert!(client.list_topics().await?.iter().any(|one| one.name == topic && one.partitions.len() == 2));
    println!("did create and list topics");

    let partition = client.partition_client(topic.clone(), 1, UnknownTopicHandling::Retry).await?;
    let codecs = [Compression::NoCompression, Compression::Gzip, Compression::Lz4, Compression::Snappy, Compression::Zstd];
    for codec in codecs {
        partition.produce((0..PER_CODEC).map(record).collect(), codec).await?;
    }
    consume(&partition, PER_CODEC * codecs.len() as i64).await?;
    println!("did produce with five codecs and consume");

    assert_eq!(partition.get_offset(OffsetAt::Latest).await?, 500);
    partition.delete_records(300, 5000).await?;
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await?, 300);
    controller.delete_topic(&topic, 5000).await?;
    println!("did offsets, delete records, delete topics");
    Ok(())
}
