//! The examples, built on the image and used from outside, as their users would; and what the image
//! itself leaves lying about.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::env;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use world::{Container, DEADLINE, Live};

/// An example that is up, its port published where only this machine sees it. `None` where there is
/// no Docker, or where no package can be had.
fn up(example: &str, port: &str) -> Option<Live> {
    let publish = format!("127.0.0.1::{port}");
    let it = Container::example(example, &["--publish", &publish])?.env("WHO", "you").boot();
    it.until_said("*** Runit started");
    Some(it)
}

fn engine() -> String {
    env::var("BASEIMAGE_ENGINE").unwrap_or_else(|_| "docker".into())
}

/// Where this machine reaches a port of the container.
fn published(it: &Live, port: &str) -> String {
    let out = Command::new(engine()).args(["port", it.docker_name(), port]).output().unwrap();
    String::from_utf8(out.stdout).unwrap().trim().to_string()
}

/// What comes back until the other side hangs up, or says nothing for long. Nothing, too, if nobody
/// is there: the engine takes the connection before the daemon does.
fn ask(address: &str, question: &str) -> String {
    let mut answer = Vec::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let _ = stream.write_all(question.as_bytes());
        let _ = stream.read_to_end(&mut answer);
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(address: &str, path: &str) -> String {
    ask(address, &format!("GET {path} HTTP/1.0\r\nHost: example\r\n\r\n"))
}

#[test]
fn memcached_keeps_a_value_for_somebody_outside() {
    let Some(it) = up("memcached", "11211") else { return };
    let address = published(&it, "11211");
    it.until(|_| ask(&address, "set place 0 0 5\r\nhello\r\nquit\r\n") == "STORED\r\n");
    let answer = ask(&address, "get place\r\nquit\r\n");
    assert_eq!(answer, "VALUE place 0 5\r\nhello\r\nEND\r\n");
    let owner = it.sh(&format!("stat -c %U /proc/{}", it.service_pid("memcached")));
    assert_eq!(owner, "memcache\n");
    it.sh("test -f /var/log/memcached.log");
    assert_eq!(it.stop().code, 0);
}

#[test]
fn logtime_notes_each_boot() {
    let Some(it) = up("logtime", "80") else { return };
    let said = "*** Running /etc/my_init.d/logtime.sh...\n";
    assert!(it.stderr().contains(said), "{}", it.stderr());
    let noted =
        it.sh("date --date \"$(cat /tmp/boottime.txt)\" +%s").trim().parse::<u64>().unwrap();
    let now = it.sh("date +%s").trim().parse::<u64>().unwrap();
    assert!(noted <= now && now - noted < 60, "{noted} {now}");
}

#[test]
fn nginx_serves_a_page_of_php_that_sees_the_environment() {
    let Some(it) = up("nginx-php", "80") else { return };
    let address = published(&it, "80");
    // It answers before PHP does: with an error, and for a moment.
    it.until(|_| get(&address, "/").starts_with("HTTP/1.1 200 "));
    let page = get(&address, "/");
    assert!(page.ends_with("\r\n\r\nhello you\n"), "{page}");
    assert!(get(&address, "/none.php").starts_with("HTTP/1.1 404 "));
    assert!(get(&address, "/../etc/passwd").starts_with("HTTP/1.1 400 "));
    // Both daemons are heard by whoever reads the container's logs.
    it.until_said("PHP message: greeting you");
    it.until(|it| it.stdout().contains("\"GET /none.php HTTP/1.0\" 404 "));

    // PHP dies, nginx stays, and PHP is back.
    let pid = it.service_pid("php-fpm");
    it.sh(&format!("kill -KILL -{pid}"));
    it.until(|it| it.sv("status php-fpm").starts_with("run: ") && it.service_pid("php-fpm") != pid);
    it.until(|_| get(&address, "/").ends_with("hello you\n"));
    let out = it.stop();
    assert_eq!((out.code, out.times_said("Forcing")), (0, 0));
    assert!(out.took < Duration::from_secs(5), "{:?}", out.took);
}

#[test]
fn who_waits_for_another_build_of_an_example_does_not_spoil_its_files() {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/example/scripts");
    fs::create_dir_all(files.parent().unwrap()).unwrap();
    let lock = File::create(files.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if files.exists() {
        fs::remove_dir_all(&files).unwrap();
    }
    // What `true` builds is of no use to anybody, and takes no time.
    let mut tool = Command::new("tools/example");
    let mut waits =
        tool.arg("scripts").env("BASEIMAGE_ENGINE", "true").stdout(Stdio::null()).spawn().unwrap();
    let inode = format!(":{} ", lock.metadata().unwrap().ino());
    let is_waiting = |line: &str| line.contains("-> FLOCK") && line.contains(&inode);
    let begun = Instant::now();
    while !fs::read_to_string("/proc/locks").unwrap().lines().any(is_waiting) {
        assert!(begun.elapsed() < DEADLINE, "it does not wait");
        thread::sleep(Duration::from_millis(2));
    }
    assert!(!files.exists(), "it made the directory that another was about to fill");
    drop(lock);
    assert!(waits.wait().unwrap().success());
    assert!(files.join("Dockerfile").exists());
}

/// The image, booted. `None` without Docker.
fn image() -> Option<Live> {
    let it = Container::shipped(&[])?.boot();
    it.until_said("*** Runit started");
    Some(it)
}

#[test]
fn only_the_files_of_the_page_have_the_rights_of_another_user() {
    let Some(it) = image() else { return };
    let page = include_str!("../docs/setuid.md");
    // The first column of its first table: a path in backticks.
    let listed: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| `/"))
        .map(|line| line.split('`').next().unwrap_or_default())
        .collect();
    assert!(!listed.is_empty(), "the page has a table");
    for path in it.sh("find / -xdev -type f -perm /6000").lines() {
        assert!(listed.contains(&path.trim_start_matches('/')), "{path}, not in docs/setuid.md");
    }
    // What is listed and not there has been left out, as cron may be; but not all of it.
    assert_eq!(it.sh("stat -c %A /usr/bin/passwd"), "-rwsr-xr-x\n");
    // An upgrade honours an override for a file by the name that dpkg knows.
    it.sh("dpkg-statoverride --list | cut -d ' ' -f 4 | xargs dpkg-query --search");
    // A capability of a file is an attribute of it, which an archive keeps.
    let capable =
        format!("{} export {} | grep -c -a xattr.security.capability=", engine(), it.docker_name());
    let out = Command::new("sh").args(["-c", &capable]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), "0\n");
}

#[test]
fn nobody_may_write_where_others_may_delete() {
    let Some(it) = image() else { return };
    let files = "find / -xdev -perm -0002 ! -type l ! -type c ! -type s ! -type d";
    assert_eq!(it.sh(files), "");
    assert_eq!(it.sh("find / -xdev -type d -perm -0002 ! -perm -1000"), "");
    assert_eq!(it.sh("find / -xdev -nouser -o -xdev -nogroup"), "");
}

#[test]
fn an_image_has_no_secret_no_identity_and_no_package_lists() {
    let Some(container) = Container::shipped(&[]) else { return };
    // Without a boot: it makes host keys.
    let it = container.argv(&["sleep", "infinity"]).boot();
    // Of text: libraries have keys in them to test themselves with.
    let keys = "find / -xdev -type f -exec grep -Il '^-----BEGIN .*PRIVATE KEY-----' {} + || true";
    assert_eq!(it.sh(keys), "");
    assert_eq!(it.sh("cat /etc/machine-id /var/lib/dbus/machine-id 2>/dev/null || true"), "");
    assert_eq!(it.sh("ls -d /etc/ssh/ssh_host_* 2>/dev/null || true"), "");
    assert_eq!(it.sh("find /var/lib/apt/lists /var/cache/apt /tmp /var/tmp -type f -size +0"), "");
    assert_eq!(it.sh("cat /root/.ssh/authorized_keys 2>/dev/null || true"), "");
}
