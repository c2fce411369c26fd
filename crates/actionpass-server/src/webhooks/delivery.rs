//! [`Delivery`]: one receiver, posted to until it takes a message or the time for it is over.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use actionpass_core::{Clock as _, Random as _, System};
use actionpass_custodians::SecretSource;
use actionpass_home::{HttpUrl, Webhook, WebhookFormat};
use actionpass_model::Code;
use base64ct::{Base64, Encoding as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use ureq::Agent;
use ureq::unversioned::transport::DefaultConnector;
use zeroize::Zeroizing;

use super::Stop;
use super::address::Checked;
use super::message::Message;
use crate::{ServeError, ServerCode, outgoing};

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// How long a message is tried.
const TRIED_FOR: Duration = Duration::from_secs(10 * 60);
/// How long it is waited after the first attempt, and at most after later ones.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// What Standard Webhooks takes for a secret, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// What messages to a receiver are signed with.
pub(super) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Reads a secret: `whsec_` and base64.
    pub(super) fn read(source: &SecretSource, webhook: &str) -> Result<Self, ServeError> {
        let refused = |code: Code, problem: String| ServeError::Webhook {
            name: webhook.to_owned(),
            code,
            problem,
        };
        let secret = source
            .read()
            .map_err(|error| refused(error.code().into(), error.to_string()))?;
        let text = secret.expose_str().and_then(|text| text.strip_prefix("whsec_"));
        let bytes = text.and_then(|text| Base64::decode_vec(text).ok()).map(Zeroizing::new);
        match bytes {
            Some(bytes) if SECRET_BYTES.contains(&bytes.len()) => Ok(Self(bytes)),
            _ => Err(refused(
                ServerCode::WebhookSecretInvalid.into(),
                "the secret is not `whsec_` and 24 to 64 bytes in base64".to_owned(),
            )),
        }
    }

    /// The signature of a message: HMAC-SHA256 of id, time and body, with full stops between.
    pub(super) fn sign(&self, id: &str, seconds: u64, body: &[u8]) -> Option<String> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).ok()?;
        mac.update(format!("{id}.{seconds}.").as_bytes());
        mac.update(body);
        Some(format!("v1,{}", Base64::encode_string(&mac.finalize().into_bytes())))
    }

    #[cfg(test)]
    pub(super) fn of(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").finish_non_exhaustive()
    }
}

/// What came of one attempt.
enum Attempt {
    Taken,
    /// It may be taken later.
    Later(String),
    /// The receiver wants no more of this.
    Never(String),
}

/// One receiver.
#[derive(Debug)]
pub(super) struct Delivery {
    name: String,
    url: HttpUrl,
    format: WebhookFormat,
    secret: Option<Secret>,
    agent: Agent,
    pub(super) tried_for: Duration,
    pub(super) first_wait: Duration,
}

impl Delivery {
    /// A receiver; its `ca` is relative to `root`.
    ///
    /// # Errors
    /// [`ServeError::Webhook`] if that can't be read.
    pub(super) fn open(webhook: &Webhook, secret: Option<Secret>, root: &Path) -> Result<Self, ServeError> {
        let is_tls = webhook.url.is_tls();
        let roots = if is_tls {
            let ca = webhook.ca.as_ref().map(|ca| root.join(ca));
            let roots = outgoing::roots(ca.as_deref()).map_err(|problem| ServeError::Webhook {
                name: webhook.name.clone(),
                code: ServerCode::CaUnusable.into(),
                problem,
            })?;
            Some(roots)
        } else {
            None
        };
        let resolver = Checked {
            networks: webhook.networks.clone(),
            may_be_loopback: !is_tls,
        };
        Ok(Self {
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            format: webhook.format,
            secret,
            // Every attempt looks the receiver up, and checks what it finds.
            agent: Agent::with_parts(outgoing::config(roots, ATTEMPT), DefaultConnector::new(), resolver),
            tried_for: TRIED_FOR,
            first_wait: FIRST_WAIT,
        })
    }

    /// Posts a message until it is taken; `false` if it is given up.
    pub(super) fn deliver(&self, message: &Message, stop: &Stop) -> bool {
        let begun = Instant::now();
        let mut wait = self.first_wait;
        loop {
            let why = match self.attempt(message) {
                Attempt::Taken => return true,
                Attempt::Never(why) => {
                    tracing::error!(webhook = %self.name, message = %message.id(), %why, "dropped: the receiver refuses it for good");
                    return false;
                }
                Attempt::Later(why) => why,
            };
            let pause = jittered(wait);
            if begun.elapsed().saturating_add(pause) >= self.tried_for {
                tracing::error!(webhook = %self.name, message = %message.id(), %why, "dropped: the receiver didn't take it in time");
                return false;
            }
            tracing::warn!(webhook = %self.name, message = %message.id(), %why, "not taken: it is sent again");
            if stop.within(pause) {
                tracing::warn!(webhook = %self.name, message = %message.id(), "dropped: the service stops");
                return false;
            }
            wait = wait.saturating_mul(2).min(LONGEST_WAIT);
        }
    }

    /// Why one attempt fails.
    #[cfg(test)]
    pub(super) fn why(&self, message: &Message) -> String {
        match self.attempt(message) {
            Attempt::Taken => "it is taken".to_owned(),
            Attempt::Later(why) | Attempt::Never(why) => why,
        }
    }

    fn attempt(&self, message: &Message) -> Attempt {
        let body = message.body(self.format);
        let mut request = self
            .agent
            .post(self.url.as_str())
            .header("content-type", "application/json");
        if self.format == WebhookFormat::Standard {
            // The time of this attempt: receivers refuse old ones.
            let Some(now) = System.now() else {
                return Attempt::Later("the time is not known".to_owned());
            };
            let seconds = now.to_unix_seconds().get();
            let signature = self
                .secret
                .as_ref()
                .and_then(|secret| secret.sign(message.id(), seconds, body));
            let Some(signature) = signature else {
                return Attempt::Never("it can't be signed".to_owned());
            };
            request = request
                .header("webhook-id", message.id())
                .header("webhook-timestamp", seconds.to_string())
                .header("webhook-signature", signature);
        }
        match request.send(body) {
            Ok(response) => match response.status().as_u16() {
                200..=299 => Attempt::Taken,
                410 => Attempt::Never("it answers 410 Gone".to_owned()),
                status => Attempt::Later(format!("it answers {status}")),
            },
            // The URL may be a secret: errors that repeat it are not repeated.
            Err(ureq::Error::Io(error)) => Attempt::Later(error.to_string()),
            Err(ureq::Error::Timeout(timeout)) => Attempt::Later(format!("no answer in time: {timeout}")),
            Err(ureq::Error::HostNotFound) => Attempt::Later("there is no such host".to_owned()),
            Err(ureq::Error::Tls(problem)) => Attempt::Later(problem.to_owned()),
            Err(ureq::Error::Rustls(error)) => Attempt::Later(error.to_string()),
            Err(_) => Attempt::Later("it can't be reached".to_owned()),
        }
    }
}

/// Between half of a time and all of it: receivers that failed together are not asked together.
fn jittered(time: Duration) -> Duration {
    let mut random = [0; 2];
    if !System.fill(&mut random) {
        return time;
    }
    let half = time.checked_div(2).unwrap_or(time);
    half.saturating_add(half.mul_f32(f32::from(u16::from_be_bytes(random)) / f32::from(u16::MAX)))
}
