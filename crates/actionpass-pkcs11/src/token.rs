//! Tokens: finding the one that is meant, and sessions on it.

use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use actionpass_custody::Secret;
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::RawAuthPin;

use crate::fault::{Fault, Kind};
use crate::module::Module;
use crate::uri::TokenFilter;

/// The one token that fits.
#[derive(Clone, Debug)]
pub(crate) struct Token {
    pub(crate) module: Arc<Module>,
    pub(crate) label: String,
    pub(crate) serial: String,
    /// Another token has the same label.
    pub(crate) has_namesake: bool,
    /// Its private keys are there only for whoever gave the PIN.
    pub(crate) wants_login: bool,
    /// It has keys of its own to type the PIN on.
    pub(crate) has_pin_pad: bool,
    /// How long a PIN may be, in bytes; anything if the token doesn't say.
    pin_bytes: RangeInclusive<usize>,
}

/// A way into a token that any number of sessions share: the PIN is tried by one of them at a time, and never again once
/// the token refused it.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) token: Token,
    pin: Option<Secret>,
    turn: Mutex<()>,
    pin_refused: AtomicBool,
}

/// A session, logged in where the token wants it.
#[derive(Debug)]
pub(crate) struct OpenSession {
    module: Arc<Module>,
    generation: u64,
    /// Always there, until it is closed.
    session: Option<Session>,
}

/// Read-only sessions may sign; only those that write may make keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Access {
    Read,
    Write,
}

impl Token {
    /// The token that fits.
    pub(crate) fn find(module: &Arc<Module>, filter: &TokenFilter) -> Result<Self, Fault> {
        let (_, token) = find(module, filter)?;
        Ok(token)
    }

    /// Refuses what can't be this token's PIN, before the token counts it as a failed attempt: PINs are UTF-8 (PKCS#11
    /// §3.5), as long as the token says, and nobody types a control character.
    pub(crate) fn check_pin(&self, pin: &Secret) -> Result<(), Fault> {
        let refused = |problem| Err(Fault::Refused { problem });
        match pin.expose_str() {
            None => refused("the PIN is not UTF-8, and was not tried"),
            Some(text) if text.contains(char::is_control) => {
                refused("the PIN has a line end or another control character in it, and was not tried")
            }
            Some(text) if !self.pin_bytes.contains(&text.len()) => {
                refused("the PIN is shorter or longer than the token's can be, and was not tried")
            }
            Some(_) => Ok(()),
        }
    }
}

fn find(module: &Arc<Module>, filter: &TokenFilter) -> Result<(Slot, Token), Fault> {
    let context = module.revived()?;
    if !library_fits(context, filter)? {
        return Err(Fault::TokenGone);
    }
    let mut tokens = Vec::new();
    let mut problem = None;
    for slot in context.get_slots_with_token()? {
        match context.get_token_info(slot) {
            Ok(info) if info.token_initialized() => tokens.push((slot, info)),
            Ok(_) => {}
            // One broken reader is no reason to miss a token in another.
            Err(error) => problem = Some(error),
        }
    }
    let mut fitting = Vec::new();
    for (slot, info) in &tokens {
        if token_fits(info, filter) && slot_fits(context, *slot, filter)? {
            fitting.push((*slot, info));
        }
    }
    let (slot, info) = match (fitting.as_slice(), problem) {
        ([one], _) => one,
        ([], Some(error)) => return Err(error.into()),
        ([], None) => return Err(Fault::TokenGone),
        _ => return Err(Fault::TokensAmbiguous),
    };
    let namesakes = tokens.iter().filter(|(_, other)| other.label() == info.label());
    let token = Token {
        module: Arc::clone(module),
        label: info.label().to_owned(),
        serial: info.serial_number().to_owned(),
        has_namesake: namesakes.count() > 1,
        wants_login: info.login_required(),
        has_pin_pad: info.protected_authentication_path(),
        pin_bytes: match info.max_pin_length() {
            0 => 0..=usize::MAX,
            most => info.min_pin_length()..=most,
        },
    };
    Ok((*slot, token))
}

fn is<T: PartialEq + ?Sized>(wanted: Option<&T>, found: &T) -> bool {
    wanted.is_none_or(|wanted| wanted == found)
}

fn library_fits(context: &Pkcs11, filter: &TokenFilter) -> Result<bool, Fault> {
    let wants = filter.library_description.is_some()
        || filter.library_manufacturer.is_some()
        || filter.library_version.is_some();
    if !wants {
        return Ok(true);
    }
    let info = context.get_library_info()?;
    let version = info.library_version();
    Ok(is(filter.library_description.as_deref(), info.library_description())
        && is(filter.library_manufacturer.as_deref(), info.manufacturer_id())
        && is(filter.library_version.as_ref(), &(version.major(), version.minor())))
}

fn token_fits(info: &TokenInfo, filter: &TokenFilter) -> bool {
    is(filter.label.as_deref(), info.label())
        && is(filter.serial.as_deref(), info.serial_number())
        && is(filter.manufacturer.as_deref(), info.manufacturer_id())
        && is(filter.model.as_deref(), info.model())
}

fn slot_fits(context: &Pkcs11, slot: Slot, filter: &TokenFilter) -> Result<bool, Fault> {
    if !is(filter.slot_id.as_ref(), &slot.id()) {
        return Ok(false);
    }
    if filter.slot_description.is_none() && filter.slot_manufacturer.is_none() {
        return Ok(true);
    }
    let info = context.get_slot_info(slot)?;
    Ok(is(filter.slot_description.as_deref(), info.slot_description())
        && is(filter.slot_manufacturer.as_deref(), info.manufacturer_id()))
}

impl Login {
    pub(crate) const fn new(token: Token, pin: Option<Secret>) -> Self {
        Self {
            token,
            pin,
            turn: Mutex::new(()),
            pin_refused: AtomicBool::new(false),
        }
    }

    /// A new session. The token may be in another slot by now, so it is looked for.
    pub(crate) fn open_session(&self, access: Access) -> Result<OpenSession, Fault> {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if self.pin_refused.load(Ordering::SeqCst) {
            return Err(Fault::PinRefused);
        }
        let module = &self.token.module;
        let this_one = TokenFilter {
            label: Some(self.token.label.clone()),
            serial: Some(self.token.serial.clone()),
            ..TokenFilter::default()
        };
        let (slot, token) = find(module, &this_one)?;
        // Sessions close with `OpenSession`, which knows when a number is not theirs any more.
        let session = match access {
            Access::Read => module.context().open_ro_session_no_drop(slot),
            Access::Write => module.context().open_rw_session_no_drop(slot),
        }?;
        let session = OpenSession {
            generation: module.generation(),
            module: Arc::clone(module),
            session: Some(session),
        };
        if token.wants_login {
            let logged_in = self.log_in(session.get()?, token.has_pin_pad);
            if logged_in.as_ref().is_err_and(|fault| fault.kind() == Kind::PinRefused) {
                self.pin_refused.store(true, Ordering::SeqCst);
            }
            logged_in?;
        }
        Ok(session)
    }

    fn log_in(&self, session: &Session, has_pin_pad: bool) -> Result<(), Fault> {
        let done = match &self.pin {
            Some(pin) => {
                let pin = RawAuthPin::new(Box::new(pin.expose().to_vec()));
                session.login_with_raw(UserType::User, &pin)
            }
            None if has_pin_pad => session.login(UserType::User, None),
            None => {
                return Err(Fault::Refused {
                    problem: "the token wants a PIN, and did not before",
                });
            }
        };
        match done {
            // Somebody in this process was here before: logins are the process's, not the session's.
            Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

impl OpenSession {
    /// The session, unless the module was initialized anew since it was opened: then its number may be another's.
    pub(crate) fn get(&self) -> Result<&Session, Fault> {
        self.session
            .as_ref()
            .filter(|_| self.module.generation() == self.generation)
            .ok_or(Fault::Answered {
                code: RvError::SessionHandleInvalid,
                function: cryptoki::context::Function::GetSessionInfo,
            })
    }
}

impl Drop for OpenSession {
    fn drop(&mut self) {
        if self.module.generation() == self.generation {
            // An error here is a session that was lost already.
            let _ = self.session.take().map(Session::close);
        }
    }
}
