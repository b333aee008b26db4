// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fault suite: whole pipelines over real sockets. Stages are killed and stopped, connections
//! broken and disks filled at random; then the arrived records are counted. `make soak` runs it for
//! ten minutes, or `HEKA_SOAK_SECONDS`; `HEKA_SOAK_SEED` repeats the faults of a run. The modes
//! share the time. The figures are printed on stderr.

mod chance;
mod harm;
mod judge;
mod modes;
mod tally;
mod world;

use std::time::Duration;

use chance::Chance;
use modes::MODES;
use world::World;

fn soak(number: usize) {
    let mode = &MODES[number];
    let needs = |program| mode.lines.iter().any(|line| line.starts_with(program));
    if needs("log-cache") && !heka_tests::require("python3") {
        return;
    }
    let seconds = std::env::var("HEKA_SOAK_SECONDS").ok().and_then(|text| text.parse().ok());
    let time = Duration::from_secs(seconds.unwrap_or(20)) / MODES.len() as u32;
    let mut chance = Chance::new(mode.name);
    let mut world = World::new(mode);
    world.run(&mut chance, time);
    world.judge();
}

macro_rules! modes {
    ($($name:ident $number:literal,)*) => {
        $(
            #[test]
            fn $name() {
                soak($number);
            }
        )*

        #[test]
        fn each_mode_is_run() {
            assert!([$($number),*].into_iter().eq(0..MODES.len()));
        }
    };
}

modes! {
    numbered 0,
    behind_a_queue 1,
    from_a_queue_alone 2,
    not_confirmed 3,
    relayed 4,
    relayed_by_a_file 5,
    decoded 6,
    from_a_plugin 7,
    refused 8,
    restored 9,
    stopped 10,
    over_tls 11,
    over_mutual_tls 12,
    by_unix_socket 13,
    failing_over 14,
    to_all 15,
    in_tiny_windows 16,
    to_a_file 17,
    to_a_file_by_socket 18,
    through_a_command 19,
    from_log_cache 20,
}
