//! SSH: a real client comes in from outside, by key, and in no other way.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use world::{Client, Container, Live, Output, PORT, WHY, listens, port, up};

/// Booted, with sshd down for good.
#[track_caller]
fn assert_down(container: Container) {
    let it = container.boot();
    it.until_said("*** Runit started");
    it.until_is("down", "sshd");
    // With whatever `run` says first behind it, had it been started.
    it.until_settled("sshd");
    assert!(it.sv("status sshd").starts_with("down: sshd: "), "{}", it.sv("status sshd"));
    assert!(!listens(&it) && !it.stderr().contains("*** sshd"), "{}", it.stderr());
    assert!(!it.exists("/etc/ssh/ssh_host_ed25519_key"));
    it.sh("! pgrep sshd");
}

#[track_caller]
fn lets_in(client: &Client, it: &Live) {
    let out = client.ssh(it, &["root@127.0.0.1", "id -un; exit 7"]);
    assert_eq!((out.code, out.stdout.as_str()), (7, "root\n"), "{}", out.stderr);
}

#[track_caller]
fn assert_refused(out: &Output) {
    assert_eq!(out.code, 255, "{}", out.stdout);
    assert!(out.stderr.contains("Permission denied (publickey)."), "{}", out.stderr);
}

#[test]
fn the_insecure_key_lets_in_whoever_enables_it_and_the_private_half_is_nowhere() {
    let client = Client::insecure();
    let Some(container) = Container::shipped(&PORT) else { return };
    let it = up(container.options(&["--enable-insecure-key"]));
    lets_in(&client, &it);
    assert!(it.stderr().contains("*** enable_insecure_key: WARNING: "));
    assert!(it.stderr().contains(&format!("{WHY} the insecure key is enabled")));
    it.sh("/usr/sbin/enable_insecure_key && printf '# mine' >>/root/.ssh/authorized_keys");
    it.sh("sed -i 1d /root/.ssh/authorized_keys && /usr/sbin/enable_insecure_key");
    let public = it.read("/etc/insecure_key.pub");
    assert_eq!(it.read("/root/.ssh/authorized_keys"), format!("# mine\n{public}"));
    assert_eq!(it.sh("stat -c %a /root/.ssh /root/.ssh/authorized_keys"), "700\n600\n");
    let private = it.sh("find / -xdev -type f -exec grep -l 'BEGIN .*PRIVATE KEY' {} + || :");
    // This container's own, and what knows how such a file begins.
    let allowed = |path: &str| path.starts_with("/etc/ssh/ssh_host_") || path.starts_with("/usr/");
    assert!(private.lines().all(allowed), "{private}");
    assert!(!it.stderr().contains("PRIVATE KEY") && !it.stdout().contains("PRIVATE KEY"));
    // Enabled once, it stays for this container.
    let it = it.again(world::Stop::Asked);
    it.until(|it| it.sh("pgrep -x sshd | wc -l") == "1\n" && listens(it));
    lets_in(&client, &it);
}

#[test]
fn the_recipes_of_dockerfiles_let_in() {
    let (insecure, own) = (Client::insecure(), Client::own());
    for (client, dockerfile) in [
        (&insecure, "RUN /usr/sbin/enable_insecure_key\n".to_string()),
        (&own, own.recipe()),
        (&own, format!("RUN /etc/my_init.d/00_regen_ssh_host_keys.sh\n{}", own.recipe())),
        (&own, format!("RUN rm /etc/my_init.d/00_regen_ssh_host_keys.sh\n{}", own.recipe())),
    ] {
        let Some(container) = Container::built(&dockerfile, &PORT) else { return };
        let it = up(container);
        lets_in(client, &it);
        let other = if client.key() == own.key() { &insecure } else { &own };
        assert_refused(&other.ssh(&it, &["root@127.0.0.1", "true"]));
    }
}

#[test]
fn a_key_that_a_startup_script_writes_lets_in_and_without_it_the_next_boot_is_without_sshd() {
    let client = Client::own();
    let Some(container) = Container::shipped(&PORT) else { return };
    let script =
        format!("test -e /no-key || echo '{}' >/root/.ssh/authorized_keys", client.public());
    let it = up(container.startup("logtime.sh", &script));
    assert!(it.stderr().contains(&format!("{WHY} /root/.ssh/authorized_keys has a key;")));
    lets_in(&client, &it);
    it.sh("touch /no-key && rm /root/.ssh/authorized_keys");
    let it = it.again(world::Stop::Asked);
    it.until_said("*** Runit started");
    it.until_is("down", "sshd");
    assert!(!listens(&it));
}

#[test]
fn a_removed_down_file_starts_sshd_and_still_nobody_without_a_key_comes_in() {
    let Some(container) = Container::built("RUN rm /etc/service/sshd/down\n", &PORT) else {
        return;
    };
    let it = up(container);
    assert!(it.stderr().contains(&format!("{WHY} /etc/service/sshd/down was removed;")));
    assert_refused(&Client::own().ssh(&it, &["root@127.0.0.1", "true"]));
}

#[test]
fn without_a_key_sshd_is_down_and_a_boot_says_nothing_of_it() {
    let Some(container) = Container::shipped(&[]) else { return };
    assert_down(container.file("/root/.ssh/authorized_keys", "\n# nobody yet\n"));
}

#[test]
fn disable_ssh_beats_a_key_and_the_option_and_a_removed_down_file() {
    let dockerfile = format!("RUN rm /etc/service/sshd/down\n{}", Client::own().recipe());
    let Some(container) = Container::built(&dockerfile, &[]) else { return };
    assert_down(container.options(&["--enable-insecure-key"]).env("DISABLE_SSH", "1"));
    // What is no way of saying no is yes.
    let Some(container) = Container::shipped(&[]) else { return };
    assert_down(container.options(&["--enable-insecure-key"]).env("DISABLE_SSH", "true"));
}

#[test]
fn a_start_of_an_sshd_that_may_not_or_cannot_run_fails() {
    let bad = "RUN echo nonsense >/etc/ssh/sshd_config.d/bad.conf\n";
    let off = "ENV DISABLE_SSH=1\n";
    let gone = "RUN rm /usr/sbin/sshd\n";
    for dockerfile in [bad, off, gone] {
        let Some(container) = Container::built(dockerfile, &[]) else { return };
        let it = container.boot();
        it.until_said("*** Runit started");
        for _ in 0..3 {
            let out = it.sv_output("start sshd");
            let said = (out.code, out.stdout.as_str());
            assert_eq!(said, (1, "fail: sshd: told to be down\n"), "{dockerfile}");
        }
    }
}

#[test]
fn a_key_that_others_may_write_is_named_and_not_used() {
    let key = Client::own().recipe();
    let theirs = "RUN chown 1000 /root/.ssh/authorized_keys\n";
    for (spoilt, named) in [(theirs, "/authorized_keys"), ("RUN chmod 777 /root/.ssh\n", "")] {
        let Some(container) = Container::built(&format!("{key}\n{spoilt}"), &[]) else { return };
        let it = container.boot();
        it.until_said("*** Runit started");
        let named = format!("a key is there, but /root/.ssh{named} may be written by others");
        assert_eq!(it.stderr().matches(&named).count(), 1, "{}", it.stderr());
        it.until_is("down", "sshd");
    }
}

#[test]
fn an_ordinary_user_boots_without_sshd() {
    let dockerfile = "RUN rm /etc/service/sshd/down && enable_insecure_key\n";
    let Some(container) = Container::built(dockerfile, &[]) else { return };
    let it = container.user(12345, 12345).boot();
    it.until_said("*** Runit started");
    let status = || it.run_as((12345, 12345), &["sv", "status", "sshd"]).stdout;
    it.until(|_| status().starts_with("down: sshd: ") && !status().contains("want up"));
    assert!(!listens(&it) && !it.stderr().contains("*** sshd"), "{}", it.stderr());
}

#[test]
fn a_root_without_the_capabilities_is_told_once_why_sshd_stays_down() {
    let Some(container) = Container::shipped(&["--cap-drop=ALL"]) else { return };
    let it = container.options(&["--enable-insecure-key"]).boot();
    it.until_said("*** sshd: needs the capabilities SETGID, SETUID and SYS_CHROOT");
    it.until_is("down", "sshd");
    assert!(!listens(&it));
}

#[test]
fn removed_as_the_guide_shows_nothing_is_left_that_complains() {
    let dockerfile = "RUN rm -rf /etc/service/sshd /etc/my_init.d/00_regen_ssh_host_keys.sh\n\
                      RUN install -m 600 /etc/insecure_key.pub /root/.ssh/authorized_keys\n";
    let Some(container) = Container::built(dockerfile, &[]) else { return };
    let out = container.options(&["--quiet"]).command(&["echo", "hello"]).boot().wait();
    assert_eq!((out.code, out.stdout.as_str(), out.stderr.as_str()), (0, "hello\n", ""));
}

#[test]
fn no_password_lets_in() {
    let client = Client::own();
    // An ordinary account whose password is empty, and root with a real one.
    let dockerfile = "RUN useradd --create-home --shell /bin/sh bob && passwd --delete bob\n\
                      RUN echo root:secret | chpasswd\nRUN rm /etc/service/sshd/down\n";
    let Some(container) = Container::built(dockerfile, &PORT) else { return };
    let it = up(container);
    it.sh("printf '#!/bin/sh\\necho secret\\n' >/askpass; chmod +x /askpass");
    let askpass = client.0.join("askpass");
    fs::write(&askpass, "#!/bin/sh\necho secret\n").unwrap();
    fs::set_permissions(&askpass, Permissions::from_mode(0o755)).unwrap();
    for user in ["root@127.0.0.1", "bob@127.0.0.1"] {
        for way in ["password", "keyboard-interactive", "none", "hostbased", "gssapi-with-mic"] {
            let mut ssh = Command::new("timeout");
            ssh.args(["30", "ssh", "-F", "none", "-o", "StrictHostKeyChecking=no"])
                .args(["-o", "UserKnownHostsFile=/dev/null", "-o", "NumberOfPasswordPrompts=1"])
                .args(["-o", &format!("PreferredAuthentications={way}"), "-p", &port(&it), user])
                .arg("true")
                .env("SSH_ASKPASS", &askpass)
                .env("SSH_ASKPASS_REQUIRE", "force")
                .stdin(Stdio::null());
            let out = ssh.output().unwrap();
            let said = String::from_utf8_lossy(&out.stderr).into_owned();
            assert_eq!(out.status.code(), Some(255), "{user} {way}");
            // OpenSSH 10 shuts the door for a while on who tries too often.
            let no = said.contains("Permission denied (publickey).") || said.contains("closed");
            assert!(no || said.contains("reset by peer"), "{user} {way}: {said}");
        }
    }
}

#[test]
fn sshd_says_itself_that_it_is_strict() {
    let Some(container) = Container::built("RUN rm /etc/service/sshd/down\n", &[]) else { return };
    let it = up(container);
    let settings = it.sh("/usr/sbin/sshd -T -f /run/baseimage-sshd/sshd_config 2>&1");
    for line in [
        "authenticationmethods publickey",
        "passwordauthentication no",
        "kbdinteractiveauthentication no",
        "permitemptypasswords no",
        "permitrootlogin without-password",
        "hostbasedauthentication no",
        "gssapiauthentication no",
        "kerberosauthentication no",
        "x11forwarding no",
        "allowagentforwarding no",
        "allowtcpforwarding local",
        "gatewayports no",
        "permittunnel no",
        "permituserenvironment no",
        "strictmodes yes",
        "maxauthtries 3",
        "logingracetime 20",
        "maxstartups 10:30:60",
        "persourcemaxstartups 5",
        "hostkeyalgorithms ssh-ed25519,rsa-sha2-512,rsa-sha2-256",
    ] {
        assert!(settings.lines().any(|one| one == line), "{line}: {settings}");
    }
    let strong = |word: &str| {
        let list = settings.lines().find_map(|line| line.strip_prefix(word)).unwrap();
        let weak = ["nistp", "sha1", "md5", "cbc", "3des", "group14", "group1-", "exchange"];
        assert!(!weak.iter().any(|one| list.contains(one)), "{word}: {list}");
    };
    ["kexalgorithms", "ciphers", "macs"].into_iter().for_each(strong);
}

#[test]
fn a_container_has_a_host_key_of_its_own_and_the_image_none() {
    let Some(container) = Container::built("RUN ! ls /etc/ssh/ssh_host_*\n", &[]) else { return };
    let it = container.argv(&["sleep", "1000"]).boot();
    let by_hand = || {
        it.sh("/etc/my_init.d/00_regen_ssh_host_keys.sh");
        it.sh("stat -c '%a %n' /etc/ssh/ssh_host_*; cat /etc/ssh/ssh_host_*")
    };
    let made = by_hand();
    assert!(made.starts_with(
        "600 /etc/ssh/ssh_host_ed25519_key\n644 /etc/ssh/ssh_host_ed25519_key.pub\n-----"
    ));
    assert_eq!(by_hand(), made);
    it.sh("ssh-keygen -q -t rsa -b 3072 -N '' -f /etc/ssh/ssh_host_rsa_key");
    let two = by_hand();
    it.sh("/etc/my_init.d/00_regen_ssh_host_keys.sh -f");
    let anew = by_hand();
    assert!(anew.contains("600 /etc/ssh/ssh_host_rsa_key\n"));
    assert!(!two.lines().any(|line| line.starts_with("ssh-") && anew.contains(line)), "{anew}");
    let Some(container) = Container::shipped(&[]) else { return };
    let other = up(container.options(&["--enable-insecure-key"]));
    assert_ne!(
        other.read("/etc/ssh/ssh_host_ed25519_key"),
        it.read("/etc/ssh/ssh_host_ed25519_key")
    );
}

#[test]
fn a_read_only_root_has_sshd_with_keys_of_this_boot() {
    let client = Client::insecure();
    let Some(container) = Container::shipped(&PORT) else { return };
    let it = up(container.read_only().options(&["--enable-insecure-key"]).env("FOO", "bar"));
    assert_eq!(client.says(&it, "echo $FOO"), "bar\n");
    assert_eq!(it.sh("stat -c '%a %U' /dev/shm/baseimage-sshd"), "700 root\n");
    // What it says comes through its log as well; that it could not load a key is not among it.
    assert!(!it.stderr().contains("oad host key"), "{}", it.stderr());
}

#[test]
fn without_startup_scripts_the_option_is_enough() {
    let client = Client::insecure();
    let Some(container) = Container::shipped(&PORT) else { return };
    let it = up(container.options(&["--skip-startup-files", "--enable-insecure-key"]));
    lets_in(&client, &it);
}
