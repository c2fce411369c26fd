//! [`Proxy`]: stands between a store and its database, and does something to the exchange at one place of it.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Way {
    ToServer,
    FromServer,
}

/// What is done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nothing goes on, either way: the connection is closed.
    Cut,
    /// The rest waits.
    Delay(Duration),
    /// So many bytes go on twice. No message is as short as four bytes: whole messages that are said again are another
    /// server's word, which is what certificates are for.
    Duplicate(usize),
}

/// What is to be done, once, and how much has gone by since it was said.
#[derive(Debug, Default)]
struct Plan {
    fault: Option<(Way, usize, Fault)>,
    /// To the server and from it.
    gone: [usize; 2],
}

/// A proxy on a port of loopback, for as many connections as there are.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    plan: Arc<Mutex<Plan>>,
}

impl Proxy {
    /// In front of a server on loopback.
    pub(crate) fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let plan = Arc::new(Mutex::new(Plan::default()));
        let planned = Arc::clone(&plan);
        // It ends with the test program.
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
                    continue;
                };
                for end in [&client, &server] {
                    end.set_nodelay(true).unwrap();
                }
                let pairs = [
                    (Way::ToServer, client.try_clone().unwrap(), server.try_clone().unwrap()),
                    (Way::FromServer, server, client),
                ];
                for (way, from, to) in pairs {
                    let plan = Arc::clone(&planned);
                    thread::spawn(move || carry(way, from, to, &plan));
                }
            }
        });
        Self { address, plan }
    }

    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on, at the byte with this number that goes this way, this is done, once.
    pub(crate) fn plan(&self, way: Way, at: usize, fault: Fault) {
        *self.plan.lock().unwrap() = Plan {
            fault: Some((way, at, fault)),
            gone: [0; 2],
        };
    }

    /// How much went by since the last plan, and whether that was carried out. It is given up.
    pub(crate) fn end(&self) -> ([usize; 2], bool) {
        let plan = std::mem::take(&mut *self.plan.lock().unwrap());
        (plan.gone, plan.fault.is_none())
    }
}

/// Carries bytes one way until either end is closed, and closes both.
fn carry(way: Way, mut from: TcpStream, mut to: TcpStream, plan: &Mutex<Plan>) {
    let mut buffer = [0; 8192];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let found = met(&mut plan.lock().unwrap(), way, length);
        if pass_on(&mut to, &buffer[..length], found).is_err() {
            break;
        }
    }
    for end in [&from, &to] {
        // It may be closed already.
        let _ = end.shutdown(Shutdown::Both);
    }
}

/// Passes bytes on, with what is to be done at one place of them.
fn pass_on(to: &mut TcpStream, bytes: &[u8], fault: Option<(usize, Fault)>) -> io::Result<()> {
    let Some((at, fault)) = fault else {
        return to.write_all(bytes);
    };
    let (before, after) = bytes.split_at(at);
    to.write_all(before)?;
    match fault {
        Fault::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
        Fault::Delay(pause) => thread::sleep(pause),
        Fault::Duplicate(count) => to.write_all(&after[..count.min(after.len())])?,
    }
    to.write_all(after)
}

/// What is to be done within the next so many bytes, and where.
fn met(plan: &mut Plan, way: Way, length: usize) -> Option<(usize, Fault)> {
    let gone = &mut plan.gone[way as usize];
    let before = *gone;
    *gone += length;
    let (_, at, fault) = plan.fault.filter(|(of, ..)| *of == way)?;
    let here = at.checked_sub(before).filter(|here| *here < length)?;
    plan.fault = None;
    Some((here, fault))
}
