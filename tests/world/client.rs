//! Somebody outside who comes in by SSH.

use super::{Container, Live, Output, rungs};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Options of Docker that let somebody in from this machine.
pub const PORT: [&str; 2] = ["--publish", "127.0.0.1::22"];
/// What sshd's service says when it begins.
pub const WHY: &str = "*** sshd: listening on port 22, because";

/// Somebody with a key, on this machine.
pub struct Client(pub PathBuf);

impl Client {
    /// A place for a key.
    pub fn new() -> Client {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("baseimage-ssh-{}-{count}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir(&directory).unwrap();
        Client(directory)
    }

    /// With a key of its own.
    pub fn own() -> Client {
        let client = Client::new();
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(client.key());
        assert!(make.status().expect("ssh-keygen, of openssh-client").success());
        client
    }

    /// With the key that everybody has.
    pub fn insecure() -> Client {
        let client = Client::new();
        let key = concat!(env!("CARGO_MANIFEST_DIR"), "/image/insecure_key");
        fs::copy(key, client.key()).unwrap();
        fs::set_permissions(client.key(), Permissions::from_mode(0o600)).unwrap();
        client
    }

    /// Its private half.
    pub fn key(&self) -> PathBuf {
        self.0.join("key")
    }

    /// Its public half.
    pub fn public(&self) -> String {
        fs::read_to_string(self.0.join("key.pub")).unwrap().trim().to_string()
    }

    /// The public half in root's file, as a Dockerfile puts it there.
    pub fn recipe(&self) -> String {
        format!(
            "RUN echo '{}' >/tmp/your_key\n\
             RUN cat /tmp/your_key >> /root/.ssh/authorized_keys && rm -f /tmp/your_key\n",
            self.public()
        )
    }

    /// ssh, scp or sftp with these words behind the options that all of them have.
    pub fn call(&self, program: &str, it: &Live, words: &[&str], input: &str) -> Output {
        let mut command = Command::new("timeout");
        command.args(["30", program, "-F", "none", "-i"]).arg(self.key());
        for option in ["IdentitiesOnly=yes", "StrictHostKeyChecking=no", "LogLevel=ERROR"] {
            command.args(["-o", option]);
        }
        command.arg("-o").arg(format!("UserKnownHostsFile={}", self.0.join("known").display()));
        command.args(["-o", &format!("Port={}", port(it))]).args(words).env("LC_ALL", "C");
        fs::write(self.0.join("input"), input).unwrap();
        command.stdin(Stdio::from(fs::File::open(self.0.join("input")).unwrap()));
        let out = command.output().expect("ssh, of openssh-client");
        Output {
            code: out.status.code().unwrap(),
            stdout: String::from_utf8(out.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&out.stderr).into_owned(),
            took: Duration::ZERO,
        }
    }

    /// The same of ssh.
    pub fn ssh(&self, it: &Live, words: &[&str]) -> Output {
        self.call("ssh", it, words, "")
    }

    /// What a command says to root.
    #[track_caller]
    pub fn says(&self, it: &Live, command: &str) -> String {
        let out = self.ssh(it, &["root@127.0.0.1", command]);
        assert_eq!(out.code, 0, "{}", out.stderr);
        out.stdout
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The port of this machine behind which sshd is.
pub fn port(it: &Live) -> String {
    let out = Command::new(rungs::engine()).args(["port", it.docker_name(), "22"]).output();
    let ports = String::from_utf8(out.unwrap().stdout).unwrap();
    ports.lines().next().and_then(|line| line.rsplit_once(':')).unwrap().1.to_string()
}

/// Whether somebody in the container listens on port 22 (proc(5): 0A is LISTEN).
pub fn listens(it: &Live) -> bool {
    let sockets = it.sh("cat /proc/net/tcp /proc/net/tcp6 2>/dev/null || :");
    sockets.lines().any(|line| line.contains(":0016 ") && line.contains(" 0A "))
}

/// Booted, with an sshd that listens.
#[track_caller]
pub fn up(container: Container) -> Live {
    let it = container.boot();
    it.until_said(WHY);
    it.until(listens);
    it
}
