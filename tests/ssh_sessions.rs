//! SSH: what those who have come in see and may do, and how it ends.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;
use world::{Client, Container, PORT, listens, port, up};

/// Docker itself takes most of a second for a stop on a small machine, and kills after ten.
const AT_ONCE: Duration = Duration::from_secs(5);

#[test]
fn sessions_of_every_kind_and_user_see_the_containers_environment() {
    let client = Client::own();
    let dockerfile = format!(
        "RUN useradd --create-home --shell /bin/bash bob\n{}RUN mkdir -m 700 ~bob/.ssh \
         && cp /root/.ssh/authorized_keys ~bob/.ssh && chown -R bob: ~bob/.ssh\n",
        client.recipe()
    );
    let Some(container) = Container::built(&dockerfile, &PORT) else { return };
    let path = format!("/opt/bin:{}", world::PATH);
    let hard = "it's \"two\"  words # $HOME `id` \\ \\\\ \\\" \u{e9} ";
    let it = up(container
        .env("HARD", hard)
        .env("EMPTY", "")
        .env("PATH", &path)
        .env("LINES_", "one\ntwo")
        .env("USER", "mallory")
        .env("LONG", "x".repeat(100_000))
        .startup("10", "printf 'by a script' >/etc/container_environment/SCRIPT"));
    assert!(
        it.stderr().contains("*** sshd: not passed on to its sessions: LINES_ (a line break)\n")
    );
    let ask =
        "printf '%s|' \"$HARD\" \"${EMPTY-no}\" \"$PATH\" \"$SCRIPT\" \"$USER\" \"$HOME\" ${#LONG}";
    for (user, home) in [("root", "/root"), ("bob", "/home/bob")] {
        let expected = format!("{hard}||{path}|by a script|{user}|{home}|100000|");
        let host = format!("{user}@127.0.0.1");
        assert_eq!(client.ssh(&it, &[&host, ask]).stdout, expected);
        let login = format!("bash -lc '{}'", ask.replace('\'', "'\\''"));
        assert_eq!(client.ssh(&it, &[&host, &login]).stdout, expected);
        // A login shell of the server's own; its terminal echoes what is typed.
        let typed = format!("stty -echo; PS1=; {ask} >/tmp/{user}; exit\n");
        let out = client.call("ssh", &it, &["-tt", &host], &typed);
        assert_eq!((out.code, it.read(&format!("/tmp/{user}"))), (0, expected), "{}", out.stdout);
    }
    assert_eq!(it.sh("stat -c '%a %U' /run/baseimage-sshd"), "700 root\n");
}

#[test]
fn what_an_administrator_sets_wins() {
    let client = Client::own();
    let Some(container) = Container::built(&client.recipe(), &PORT) else { return };
    let it = up(container
        .file(
            "/etc/ssh/sshd_config.d/mine.conf",
            "SetEnv MINE=\"a b\" GREETING=mine\nMaxAuthTries 5\nPrintMotd yes\n",
        )
        .env("GREETING", "docker's")
        .env("OTHER", "too"));
    let said = client.says(&it, "echo $MINE, $GREETING, $OTHER");
    assert_eq!(said, "a b, mine, too\n");
    let settings = it.sh("/usr/sbin/sshd -T -f /run/baseimage-sshd/sshd_config");
    assert!(settings.contains("maxauthtries 5\n"));
}

#[test]
fn a_configuration_that_is_wrong_is_said_once_and_sshd_waits() {
    let Some(container) = Container::built(&Client::own().recipe(), &[]) else { return };
    let it = container.file("/etc/ssh/sshd_config.d/x.conf", "Nonsense yes\n").boot();
    it.until_said("*** sshd: /etc/ssh/sshd_config.d/x.conf");
    it.until_is("down", "sshd");
    it.sh("rm /etc/ssh/sshd_config.d/x.conf; sv up sshd");
    it.until(listens);
    assert_eq!(
        it.stderr().matches("; it stays down until: sv up sshd").count(),
        1,
        "{}",
        it.stderr()
    );
}

#[test]
fn files_go_there_and_come_back() {
    let client = Client::own();
    let Some(container) = Container::built(&client.recipe(), &PORT) else { return };
    let it = up(container);
    let (from, to) = (client.0.join("from"), client.0.join("to"));
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(1 << 20).collect();
    fs::write(&from, &bytes).unwrap();
    let (from, to) = (from.to_str().unwrap(), to.to_str().unwrap());
    for old in [&[][..], &["-O"]] {
        let there = [old, &["-q", from, "root@127.0.0.1:/there"]].concat();
        assert_eq!(client.call("scp", &it, &there, "").code, 0);
        let back = [old, &["-q", "root@127.0.0.1:/there", to]].concat();
        assert_eq!(client.call("scp", &it, &back, "").code, 0);
        assert_eq!(fs::read(to).unwrap(), bytes);
        fs::remove_file(to).unwrap();
    }
    let words = format!("put {from} /here\nget /here {to}\n");
    let out = client.call("sftp", &it, &["-q", "-b", "-", "root@127.0.0.1"], &words);
    assert_eq!(out.code, 0, "{}", out.stderr);
    assert_eq!(fs::read(to).unwrap(), bytes);
}

#[test]
fn putty_comes_in_with_its_own_format_of_the_insecure_key() {
    let dockerfile = "RUN install_clean putty-tools\nRUN /usr/sbin/enable_insecure_key\n";
    let Some(container) = Container::built(dockerfile, &[]) else { return };
    let key = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/image/insecure_key.ppk")).unwrap();
    let it = up(container.file("/key.ppk", key));
    let print = it.sh("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub | cut -d ' ' -f 2");
    let words = ["-batch", "-hostkey", print.trim(), "-i", "/key.ppk", "root@127.0.0.1", "exit 5"];
    let out = it.run(&[&["plink"][..], &words].concat());
    assert_eq!(out.code, 5, "{}", out.stderr);
}

#[test]
fn nothing_is_forwarded_but_local_ports() {
    let client = Client::own();
    let Some(container) = Container::built(&client.recipe(), &PORT) else { return };
    let it = up(container);
    let agent = |words: &[&str]| {
        let words = [words, &["root@127.0.0.1", "echo \"$SSH_AUTH_SOCK$DISPLAY\""]].concat();
        client.ssh(&it, &words)
    };
    assert_eq!(agent(&["-A", "-X"]).stdout, "\n");
    let out = agent(&["-o", "ExitOnForwardFailure=yes", "-R", "127.0.0.1:0:127.0.0.1:22"]);
    assert_eq!(out.code, 255, "{}", out.stdout);
    let out = agent(&["-o", "ExitOnForwardFailure=yes", "-R", "/tmp/socket:127.0.0.1:22"]);
    assert_eq!(out.code, 255, "{}", out.stdout);
    // Through the container to a port that is its own.
    let out = client.ssh(&it, &["-W", "127.0.0.1:22", "root@127.0.0.1"]);
    assert!(out.stdout.starts_with("SSH-2.0-OpenSSH"), "{} {}", out.stdout, out.stderr);
}

#[test]
fn a_stop_with_open_sessions_is_quick_and_nothing_of_them_is_left() {
    let client = Client::own();
    let Some(container) = Container::built(&client.recipe(), &PORT) else { return };
    let it = up(container);
    let mut open = Command::new("ssh");
    open.args(["-F", "none", "-tt", "-o", "StrictHostKeyChecking=no", "-i"]).arg(client.key());
    open.args(["-o", "UserKnownHostsFile=/dev/null", "-p", &port(&it), "root@127.0.0.1"]);
    open.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut sessions: Vec<_> = (0..3).map(|_| open.spawn().unwrap()).collect();
    it.until(|it| it.sh("ls /dev/pts").lines().filter(|one| *one != "ptmx").count() == 3);
    // A new sshd, while they stay: who restarts it over SSH is not thrown out.
    it.sh("sv restart sshd");
    it.until(listens);
    assert_eq!(it.sh("ls /dev/pts").lines().count(), 4);
    let out = it.stop();
    assert_eq!((out.code, out.times_said("Forcing")), (0, 0), "{}", out.stderr);
    assert!(out.took < AT_ONCE, "{:?}", out.took);
    for session in &mut sessions {
        assert_eq!(session.wait().unwrap().code(), Some(255));
    }
}

#[test]
fn an_upgrade_in_a_dockerfile_brings_neither_host_keys_nor_a_second_service() {
    let dockerfile = "RUN cp /etc/ssh/sshd_config /before && apt-get update -qq \
        && DEBIAN_FRONTEND=noninteractive apt-get install -y --reinstall openssh-server \
        && cmp /before /etc/ssh/sshd_config && ! ls /etc/ssh/ssh_host_* \
        && ! ls /etc/service/ssh /etc/init.d/ssh\n";
    let Some(container) = Container::built(dockerfile, &[]) else { return };
    let it = container.argv(&["sleep", "1000"]).boot();
    it.sh("! grep -q pam_motd /etc/pam.d/sshd");
}
