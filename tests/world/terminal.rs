//! The terminal of `docker run --tty`: a pseudo-terminal whose other side we hold.

use super::output::Stream;
use nix::pty::openpty;
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::process::Stdio;

/// Our side of it.
pub(super) struct Terminal {
    /// What is on the screen.
    pub(super) heard: Stream,
    keyboard: File,
}

/// The container's side, for its three standard descriptors.
pub(super) struct Slave(OwnedFd);

impl Slave {
    pub(super) fn stdio(&self) -> Stdio {
        self.0.try_clone().unwrap().into()
    }
}

impl Terminal {
    /// A terminal of 24 rows and 80 columns.
    pub(super) fn open() -> (Terminal, Slave) {
        let pair = openpty(None, None).unwrap();
        let keyboard = File::from(pair.master);
        let heard = Stream::from(keyboard.try_clone().unwrap());
        let terminal = Terminal { heard, keyboard };
        terminal.resize(24, 80);
        (terminal, Slave(pair.slave))
    }

    /// Type.
    pub(super) fn type_keys(&self, keys: &str) {
        (&self.keyboard).write_all(keys.as_bytes()).unwrap();
    }

    /// Change the window's size, as a terminal emulator does: rows and columns at once, not one
    /// after the other as stty(1).
    pub(super) fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keyboard, size).unwrap();
    }
}
