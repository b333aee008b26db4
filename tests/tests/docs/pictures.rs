// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pictures in `docs/terminal` match their scenes.

use std::fs;
use std::path::Path;
use std::process::Command;

use heka_tests::{bindir, require};

#[test]
fn pictures_show_what_the_tools_print() {
    if !require("python3") {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/terminal");
    let mut scenes = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let scene = entry.unwrap().path();
        if scene.extension().is_none_or(|extension| extension != "scene") {
            continue;
        }
        scenes += 1;
        let mut draw = Command::new(folder.join("draw"));
        let output = draw.arg(&scene).env("HEKA_BINDIR", bindir()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let picture = fs::read(scene.with_extension("svg")).unwrap();
        let scene = scene.display();
        assert!(output.stdout == picture, "{scene} draws another picture now: make pictures");
    }
    assert!(scenes > 0);
}
