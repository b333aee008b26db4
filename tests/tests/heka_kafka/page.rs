// SPDX-License-Identifier: MIT OR Apache-2.0
//! The page's promises to users of Heka.

use heka_tests::{Tool, free_port, require_kafka};

/// The options of Heka's KafkaOutput and KafkaInput (plugins/kafka), of their encoder and splitter.
const OF_HEKA: &str = "id addrs metadata_retries wait_for_election background_refresh_frequency \
    max_open_reqests dial_timeout read_timeout write_timeout partitioner hash_variable topic_variable \
    topic required_acks timeout compression_codec max_buffer_time max_buffered_bytes \
    back_pressure_threshold_bytes max_message_bytes use_tls tls encoder use_framing partition group \
    default_fetch_size min_fetch_size max_message_size max_wait_time offset_method \
    event_buffer_size splitter decoder";

/// Returns the page's text about them.
fn list() -> String {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../man/heka-kafka.1");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, list) = page.split_once(".Ss Options of Heka").unwrap();
    list.split_once(".Sh METRICS").unwrap().0.to_owned()
}

#[test]
fn every_option_of_heka_has_a_counterpart_or_a_reason() {
    let list = list();
    let items = list.lines().filter_map(|line| line.strip_prefix(".It Li "));
    let there: Vec<&str> = items.flat_map(|item| item.split(" , ")).map(str::trim).collect();
    for option in OF_HEKA.split_whitespace() {
        assert!(there.contains(&option), "{option} is not in {there:?}");
    }
}

/// A setting that does not exist is a usage error.
#[test]
fn the_settings_that_it_names_exist() {
    if !require_kafka() {
        return;
    }
    let list = list();
    let words =
        list.lines().filter_map(|line| line.strip_prefix(".Li ")).flat_map(str::split_whitespace);
    let settings: Vec<_> = words.filter(|word| word.contains('.') && *word != ".").collect();
    assert!(settings.len() > 8, "{settings:?}");
    let nobody = format!("kafka://127.0.0.1:{}/t", free_port());
    for setting in settings {
        let value = if setting == "client.id" { "me" } else { "1000" };
        let value = if setting == "max.in.flight" { "4" } else { value };
        let set = format!("{setting}={value}");
        let write = Tool::new("heka-kafka").args(["--retry=0", "-X", &set, &nobody]);
        write.stdin("one\n").run().exits(3).stderr_has("Connection refused");
    }
}
