//! A way to a TPM that can be cut.

use std::io::copy;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use actionpass_servers::swtpm::SwTpm;

/// Forwards the two ports of a swtpm.
pub(crate) struct Proxy {
    port: u16,
    cuts: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) fn to(server: &SwTpm) -> Self {
        let tcti = server.tcti();
        let target: u16 = tcti.rsplit('=').next().unwrap().parse().unwrap();
        let cuts = Arc::new(AtomicUsize::new(0));
        let (commands, control) = listeners();
        let port = commands.local_addr().unwrap().port();
        forward(commands, target, Arc::clone(&cuts));
        forward(control, target.saturating_add(1), Arc::default());
        Self { port, cuts }
    }

    pub(crate) fn tcti(&self) -> String {
        format!("swtpm:host=127.0.0.1,port={}", self.port)
    }

    /// The next connections, that many of them, are closed instead of served.
    pub(crate) fn cut(&self, connections: usize) {
        self.cuts.store(connections, Ordering::SeqCst);
    }

    pub(crate) fn cuts_left(&self) -> usize {
        self.cuts.load(Ordering::SeqCst)
    }
}

/// On a port and the one after it.
fn listeners() -> (TcpListener, TcpListener) {
    loop {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let next = first.local_addr().unwrap().port().saturating_add(1);
        if let Ok(second) = TcpListener::bind((Ipv4Addr::LOCALHOST, next)) {
            return (first, second);
        }
    }
}

fn forward(listener: TcpListener, target: u16, cuts: Arc<AtomicUsize>) {
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let cut = cuts.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, target)) else {
                continue;
            };
            if cut.is_err() {
                pipe(client.try_clone().unwrap(), server.try_clone().unwrap());
                pipe(server, client);
            }
        }
    });
}

fn pipe(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let _ = copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
}
