// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the page promises to users of Heka.

/// The options of Heka's KafkaOutput and KafkaInput (plugins/kafka), of their encoder and splitter.
const OF_HEKA: &str = "id addrs metadata_retries wait_for_election background_refresh_frequency \
    max_open_reqests dial_timeout read_timeout write_timeout partitioner hash_variable topic_variable \
    topic required_acks timeout compression_codec max_buffer_time max_buffered_bytes \
    back_pressure_threshold_bytes max_message_bytes use_tls tls encoder use_framing partition group \
    default_fetch_size min_fetch_size max_message_size max_wait_time offset_method \
    event_buffer_size splitter decoder";

#[test]
fn every_option_of_heka_has_a_counterpart_or_a_reason() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../man/heka-kafka.1");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, list) = page.split_once(".Ss Options of Heka").unwrap();
    let (list, _) = list.split_once(".Sh METRICS").unwrap();
    let items = list.lines().filter_map(|line| line.strip_prefix(".It Li "));
    let there: Vec<&str> = items.flat_map(|item| item.split(" , ")).map(str::trim).collect();
    for option in OF_HEKA.split_whitespace() {
        assert!(there.contains(&option), "{option} is not in {there:?}");
    }
}
