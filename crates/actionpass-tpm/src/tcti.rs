//! [`Tcti`]: the way to a TPM, as text.

use std::str::FromStr;

use tss_esapi::TctiNameConf;

/// The way to a TPM: `device:/dev/tpmrm0`, `swtpm:host=127.0.0.1,port=2321` …
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Tcti {
    text: Box<str>,
    config: TctiNameConf,
}

/// The kernel's resource manager: it lets several programs have the TPM at once.
const DEFAULT: &str = "device:/dev/tpmrm0";

/// What the TPM's own tools and libraries read, the first that is set.
const VARIABLES: &[&str] = &["TPM2TOOLS_TCTI", "TCTI", "TEST_TCTI"];

impl Tcti {
    /// Reads the text of a TCTI, and refuses what the libraries below would skip.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (kind, config) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            // The library takes the device without a resource manager then.
            "device" if config.is_empty() => return Self::parse(DEFAULT),
            "device" if config.starts_with('/') => {}
            "device" => return Err("the device of a TCTI is an absolute path"),
            "mssim" | "swtpm" => only(config, &["host", "port"])?,
            "tabrmd" => only(config, &["bus_name", "bus_type"])?,
            _ => return Err("the TCTI is none of device, mssim, swtpm and tabrmd"),
        }
        let config = TctiNameConf::from_str(text).map_err(|_| "the TCTI is malformed")?;
        Ok(Self {
            text: text.into(),
            config,
        })
    }

    /// The TPM that the environment names; `Err` has the variable and what is wrong with it.
    pub(crate) fn from_environment() -> Result<Self, (&'static str, &'static str)> {
        let set = VARIABLES
            .iter()
            .find_map(|name| Some((*name, std::env::var_os(name).filter(|value| !value.is_empty())?)));
        match set {
            Some((name, value)) => {
                let text = value.to_str().ok_or((name, "the TCTI is not UTF-8"))?;
                Self::parse(text).map_err(|problem| (name, problem))
            }
            None => Self::parse(DEFAULT).map_err(|problem| ("", problem)),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn config(&self) -> TctiNameConf {
        self.config.clone()
    }
}

/// Options of these names only, each once and with a value.
fn only(config: &str, known: &[&str]) -> Result<(), &'static str> {
    let mut seen = Vec::new();
    for option in config.split(',').filter(|_| !config.is_empty()) {
        match option.split_once('=') {
            Some((name, value)) if known.contains(&name) && !value.is_empty() && !seen.contains(&name) => {
                seen.push(name);
            }
            _ => return Err("the TCTI has an option that it doesn't know, or one twice"),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tctis_are_read_strictly() {
        for good in [
            "device:/dev/tpmrm0",
            "device:/dev/tpm0",
            "swtpm",
            "swtpm:port=2321",
            "swtpm:host=localhost,port=2321",
            "mssim:host=::1",
            "tabrmd:bus_name=com.intel.tss2.Tabrmd,bus_type=system",
        ] {
            assert_eq!(Tcti::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Tcti::parse("device").unwrap().as_str(), DEFAULT);
        assert_eq!(Tcti::parse("device:").unwrap().as_str(), DEFAULT);
        for bad in [
            "",
            "tpm0",
            "cmd:tpm2_send",
            "pcap:device",
            "libtss2-tcti-device.so.0:/dev/tpm0",
            "device:tpm0",
            "swtpm:path=/run/swtpm.sock",
            "swtpm:host=a,host=b",
            "swtpm:port=",
            "swtpm:port=2321,",
            "swtpm:port=none",
            "swtpm:host=-a-",
            "tabrmd:bus_type=other",
        ] {
            assert!(Tcti::parse(bad).is_err(), "{bad}");
        }
    }
}
