//! The service directories: added, removed, renamed and replaced while the container runs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "these are tests")]

mod world;

use std::time::{Duration, Instant};
use world::{Container, Live, Need, Ours, Row, Stop, Subject, Theirs};

/// A service that stays.
const STAYS: &str = "exec sleep 1000";
/// runit looks every five seconds; what comes sooner was noticed.
const NOTICED: Duration = Duration::from_secs(3);

/// Shell that makes a service directory in one step, as `mv` of a finished one does.
fn make(name: &str, run: &str) -> String {
    format!(
        "mkdir /new-{name}; printf '#!/bin/sh\\n%s\\n' '{run}' >/new-{name}/run
        chmod +x /new-{name}/run; mv /new-{name} /etc/service/{name}\n"
    )
}

fn served(container: Container) -> Live {
    let it = container.service("first", STAYS).boot();
    it.until_is("run", "first");
    it
}

/// Whether the supervisor says that it cannot do something, in our words or in runit's.
fn complains(it: &Live) -> bool {
    ["cannot", "unable"].iter().any(|word| it.stderr().contains(word))
}

/// What happens at once happens within the least of some tries: the machine may be busy.
#[track_caller]
fn soon(subject: Subject, tries: impl Iterator<Item = Duration>) {
    let least = tries.min().unwrap();
    assert!(!subject.only_ours("noticed-at-once") || least < NOTICED, "{least:?}");
}

#[test]
fn a_directory_that_is_added_is_started_at_once() {
    for subject in Subject::BOTH {
        let it = served(subject.container());
        let tries = if subject.only_ours("noticed-at-once") { 3 } else { 1 };
        soon(
            subject,
            (0..tries).map(|n| {
                let begun = Instant::now();
                it.sh(&make(&format!("new{n}"), STAYS));
                it.until_is("run", &format!("new{n}"));
                begun.elapsed()
            }),
        );
    }
}

#[test]
fn a_directory_that_is_removed_is_stopped_and_a_new_one_of_that_name_runs() {
    for subject in Subject::BOTH {
        let it = served(subject.container());
        for n in 0..2 {
            it.sh(&make("web", &format!("echo {n} >/n; exec sleep 1000")));
            it.until_is("run", "web");
            it.until(|it| it.exists("/n") && it.read("/n") == format!("{n}\n"));
            let pid = it.service_pid("web");
            it.sh("rm -rf /etc/service/web");
            it.until(|it| it.sh(&format!("kill -0 {pid} 2>/dev/null || echo gone")) == "gone\n");
            assert!(!it.exists("/etc/service/web"), "nothing is put where nothing is");
        }
    }
}

#[test]
fn a_service_whose_directory_goes_is_asked_to_end_and_never_started_again() {
    for subject in Subject::BOTH {
        let run = "sleep 1000 & trap \"echo told >/told; exit 1\" TERM; touch /up; wait $!";
        let it = served(subject.container());
        it.sh(&make("web", run));
        it.until_there("/up");
        it.sh("rm /up; rm -rf /etc/service/web");
        it.until_there("/told");
        it.sh(&make("later", "touch /later; exec sleep 1000"));
        it.until_there("/later");
        assert!(!it.exists("/up"));
    }
}

#[test]
fn a_directory_that_is_renamed_keeps_its_process() {
    for subject in Subject::BOTH {
        let it = served(subject.container());
        // Made here: an overlay renames no directory of a lower layer, mv copies it.
        it.sh(&format!(
            "mkdir /log; printf '#!/bin/sh\necho on >>/logs; exec cat >/dev/null\n' >/log/run
            chmod +x /log/run; {}",
            make("old", "echo on >>/starts; exec sleep 1000")
                .replace("mv /new-old", "mv /log /new-old; mv /new-old")
        ));
        it.until_is("run", "old/log");
        let pid = it.service_pid("old");
        it.sh("mv /etc/service/old /etc/service/new");
        it.until_is("run", "new");
        it.until_is("run", "new/log");
        assert_eq!(it.service_pid("new"), pid);
        assert!(it.sv("status old").starts_with("fail: old: "), "{}", it.sv("status old"));
        // It goes on as a service: started again, in its new place, and found there by `sv`.
        it.sv("term new");
        it.until(|it| it.read("/starts") == "on\non\n");
        it.until(|it| it.sv("status new").starts_with("run: ") && it.service_pid("new") != pid);
        let cwd = it.sh(&format!("readlink /proc/{}/cwd", it.service_pid("new")));
        assert_eq!((cwd.as_str(), it.read("/logs").as_str()), ("/etc/service/new\n", "on\n"));
        assert!(!complains(&it), "{}", it.stderr());
    }
}

#[test]
fn two_directories_may_change_their_names() {
    for subject in Subject::BOTH {
        let it = served(subject.container());
        it.sh(&(make("a", STAYS) + &make("b", STAYS)));
        it.until_is("run", "a");
        it.until_is("run", "b");
        let (a, b) = (it.service_pid("a"), it.service_pid("b"));
        it.sh("cd /etc/service; mv a c; mv b a; mv c b");
        it.until(|it| it.sv("status a").contains(&format!("(pid {b})")));
        assert_eq!((it.service_pid("a"), it.service_pid("b")), (b, a));
        it.sv("down a");
        it.until_is("down", "a");
        it.until_is("run", "b");
        it.sh(&format!("kill -0 {a}"));
        assert!(!complains(&it), "{}", it.stderr());
    }
}

#[test]
fn a_directory_that_is_replaced_runs_its_new_definition() {
    for subject in Subject::BOTH {
        let it = served(subject.container().service("web", "echo old >>/steps; exec sleep 1000"));
        it.until_is("run", "web");
        let old = it.service_pid("web");
        it.sh("mkdir /web; printf '#!/bin/sh\\necho new >>/steps; exec sleep 1000\\n' >/web/run
            chmod +x /web/run; mv /etc/service/web /gone; mv /web /etc/service/web");
        it.until(|it| it.read("/steps") == "old\nnew\n");
        it.until(|it| it.sh(&format!("kill -0 {old} 2>/dev/null || echo gone")) == "gone\n");
        it.until_is("run", "web");
    }
}

#[test]
fn a_replaced_service_never_runs_twice_at_once() {
    // The old one takes its time; the new one waits for it, as one that is asked for a port would.
    let run = |name: &str| {
        format!(
            "trap \"read go </gate; echo {name} off >>/steps; exit\" TERM
            echo {name} on >>/steps; sleep 1000 & wait $!"
        )
    };
    let it = served(Subject::Ours.container().service("web", &run("old")).fifo("/gate"));
    it.until(|it| it.exists("/steps"));
    it.until_is("run", "web");
    it.sh(&format!("mv /etc/service/web /gone\n{}", make("web", &run("new"))));
    it.sh(&make("later", STAYS));
    it.until_is("run", "later");
    assert_eq!(it.read("/steps"), "old on\n");
    it.open_gate();
    it.until(|it| it.read("/steps") == "old on\nold off\nnew on\n");
    it.until_is("run", "web");
    it.signal("TERM");
    // It may end before whoever opens the gate can say so.
    it.open_gate();
    assert_eq!(it.wait().code, 0);
}

#[test]
fn a_link_that_is_added_and_removed_is_a_directory_added_and_removed() {
    for subject in Subject::BOTH {
        let it = served(
            subject.container().executable("/etc/sv/web/run", "#!/bin/sh\nexec sleep 1000\n"),
        );
        it.sh("ln -s /etc/sv/web /etc/service/web");
        it.until_is("run", "web");
        let pid = it.service_pid("web");
        it.sh("rm /etc/service/web");
        it.until(|it| it.sh(&format!("kill -0 {pid} 2>/dev/null || echo gone")) == "gone\n");
        assert!(it.exists("/etc/sv/web/run"));
    }
}

#[test]
fn two_names_of_one_directory_are_served_once() {
    for subject in Subject::BOTH {
        let it = subject
            .container()
            .service("a", "echo on >>/starts; exec sleep 1000")
            .symlink("a", "/etc/service/b")
            .service("web", STAYS)
            .boot();
        it.until_is("run", "a");
        it.until_is("run", "b");
        it.until_is("run", "web");
        it.until_there("/starts");
        assert_eq!((it.service_pid("a"), it.read("/starts")), (it.service_pid("b"), "on\n".into()));
        let said = it.stderr().matches("b is the directory of a; it is served once").count();
        assert_eq!(said, subject.either(Row("two-names"), Ours(1), Theirs(0)));
    }
}

#[test]
fn a_directory_filled_slowly_starts_when_it_is_complete_and_is_not_complained_about() {
    for subject in Subject::BOTH {
        let it = served(subject.container());
        it.sh("mkdir /etc/service/web; : >/etc/service/web/run");
        it.until_there("/etc/service/web/supervise");
        let is_ours = subject.is_ours(Row("filled-slowly"));
        if !is_ours {
            it.until_said("web");
        }
        it.sh("printf '#!/bin/sh\\nexec sleep 1000\\n' >/etc/service/web/run
        chmod +x /etc/service/web/run");
        it.until_is("run", "web");
        assert_eq!(!it.stderr().contains("web"), is_ours, "{}", it.stderr());
    }
}

#[test]
fn svdir_says_where_services_are() {
    let it = Subject::Ours
        .container()
        .env("SVDIR", "/srv/services")
        .executable("/srv/services/web/run", "#!/bin/sh\nexec sleep 1000\n")
        .service("not", "touch /not; exec sleep 1000")
        .boot();
    it.until_is("run", "web");
    it.sh("cp -r /srv/services/web /tmp/new; mv /tmp/new /srv/services/new");
    it.until_is("run", "new");
    assert!(!it.exists("/not"));
    // By a file it is as good as by Docker.
    let it = Subject::Ours
        .container()
        .variable("SVDIR", "/srv")
        .executable("/srv/web/run", "#!/bin/sh\ntouch /up; exec sleep 1000\n");
    it.boot().until_there("/up");
}

#[test]
fn the_directory_of_all_services_may_come_later() {
    let it = Subject::Ours.container().without("/etc/service").boot();
    it.until_said("*** Runit started");
    it.sh(&format!("mkdir /etc/service; {}", make("web", STAYS)));
    it.signal("HUP");
    it.until_is("run", "web");
    it.sh(&make("more", STAYS));
    it.until_is("run", "more");
}

#[test]
fn the_directory_of_all_services_may_be_replaced() {
    for subject in Subject::BOTH {
        let it = served(subject.container());
        it.sh(&make("web", STAYS));
        it.until_is("run", "web");
        let pid = it.service_pid("web");
        it.sh("mv /etc/service /old; mkdir /etc/service");
        it.until(|it| it.sh(&format!("kill -0 {pid} 2>/dev/null || echo gone")) == "gone\n");
        it.sh(&make("again", STAYS));
        it.until_is("run", "again");
    }
}

#[test]
fn without_inotify_a_line_says_so_and_hup_and_every_verb_look_again() {
    if Need::Namespaces.is_missing() || Need::Users.is_missing() {
        return;
    }
    // A user namespace of its own has limits of its own.
    let it = Subject::Ours
        .container()
        .argv(&["my_init"])
        .setup(
            "none='echo 0 >/proc/sys/user/max_inotify_instances; exec \"$@\"'
            set -- unshare --user --map-root-user sh -c \"$none\" sh \"$@\"",
        )
        .service("first", STAYS)
        .boot();
    it.until_said("cannot watch /etc/service; send HUP to look again after a change");
    it.until_is("run", "first");
    it.sh(&make("web", "touch /web; exec sleep 1000"));
    assert!(!it.exists("/web"));
    it.signal("HUP");
    it.until_there("/web");
    it.sh(&make("more", "touch /more; exec sleep 1000"));
    it.sv("cont first");
    it.until_there("/more");
    assert_eq!(it.stderr().matches("cannot watch").count(), 1);
}

#[test]
fn odd_names_and_ten_thousand_entries_that_are_no_service_harm_nobody() {
    for subject in Subject::BOTH {
        let long = "x".repeat(255);
        let it = served(subject.container().service(&long, STAYS));
        it.until_is("run", &long);
        it.sh("cd /etc/service; for n in $(seq 10000); do echo $n; done | xargs touch");
        it.sh("mkdir \"$(printf '/etc/service/new\\nline\\033[31m')\"");
        let names = (Ours(r"new\nline\x1b[31m"), Theirs("new\nline\x1b[31m"));
        it.until_said(subject.either(Row("service-names"), names.0, names.1));
        assert_eq!(it.stderr().contains('\x1b'), !subject.is_ours(Row("service-names")));
        it.sh(&make("later", STAYS));
        it.until_is("run", "later");
        assert_eq!(it.stop().code, 0);
    }
}

#[test]
fn a_container_that_was_killed_boots_the_same_on_what_it_left() {
    let stops = |subject| [(subject, Stop::Killed), (subject, Stop::Asked)];
    for (subject, stop) in Subject::BOTH.into_iter().flat_map(stops) {
        let run = "echo on >>/starts; exec sleep 1000";
        let log = "exec cat >/dev/null";
        let it = served(subject.container().service("web", run).service("web/log", log));
        it.until_is("run", "web");
        it.sv("down first");
        it.until_is("down", "first");
        let mut it = it;
        for count in 2..4 {
            it = it.again(stop);
            it.until_is("run", "first");
            it.until_is("run", "web");
            it.until_is("run", "web/log");
            it.until(|it| it.read("/starts").lines().count() == count);
            assert!(!complains(&it), "{}", it.stderr());
            it.sv("term web");
            it.until(|it| it.read("/starts").lines().count() == count + 1);
            it.sh("echo on >/starts");
            it.sh(&format!("for n in $(seq {}); do echo on; done >/starts", count));
        }
    }
}
