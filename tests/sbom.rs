//! The bill of materials that `tools/sbom` writes for the image.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]
#![allow(clippy::indexing_slicing, reason = "what is not in the bill fails the test")]

mod world;

use serde_json::Value;
use std::process::Command;
use std::{env, fs};
use world::Container;

#[test]
fn every_package_and_every_crate_is_in_the_bill_with_its_version() {
    let Some(container) = Container::shipped(&[]) else { return };
    let it = container.boot();
    let engine = env::var("BASEIMAGE_ENGINE").unwrap_or_else(|_| "docker".into());
    let asked = ["inspect", "--format", "{{.Config.Image}}", it.docker_name()];
    let image = Command::new(engine).args(asked).output().unwrap().stdout;
    let image = String::from_utf8(image).unwrap();
    let out = Command::new("tools/sbom").arg(image.trim()).output().unwrap();
    let complaint = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{complaint}");
    let answer = String::from_utf8(out.stdout).unwrap();
    let mut paths = answer.lines();
    let packages = fs::read_to_string(paths.next().expect("the list")).unwrap();
    let names = it.sh("dpkg-query --show --showformat '${Package} ${Version}\\n'");
    assert_eq!(packages.lines().count(), names.lines().count());
    // Without PyPI there is the list alone, and one line that says why.
    let Some(bill) = paths.next() else {
        assert!(complaint.contains("no SBOM, only the list of packages: "), "{complaint}");
        return;
    };
    let bill: Value = serde_json::from_str(&fs::read_to_string(bill).unwrap()).unwrap();
    assert_eq!(bill["bomFormat"], "CycloneDX");
    let components = bill["components"].as_array().unwrap();
    let has = |name: &str, version: &str, kind: &str| {
        components.iter().any(|one| {
            let purl = one["purl"].as_str().unwrap_or_default();
            one["name"] == name && one["version"] == version && purl.starts_with(kind)
        })
    };
    for line in names.lines() {
        let (name, version) = line.split_once(' ').unwrap();
        assert!(has(name, version, "pkg:deb/"), "{line}");
    }
    assert!(has("my_init", env!("CARGO_PKG_VERSION"), ""));
    let lock = fs::read_to_string("Cargo.lock").unwrap();
    for name in ["nix", "rustix", "libc"] {
        let entry = lock.split(&format!("name = \"{name}\"\nversion = \"")).nth(1).unwrap();
        assert!(has(name, entry.split('"').next().unwrap(), "pkg:cargo/"), "{name}");
    }
}
