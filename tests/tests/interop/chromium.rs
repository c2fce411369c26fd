//! A browser of one person: Chromium with an authenticator of its own, on the page of a service.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::program::{Language, command, dependency, is_ready, root};

/// One person's browser, with their authenticator.
pub(crate) struct Browser {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
    origin: String,
}

impl Browser {
    /// Nothing, where there is no Chromium or no axe: the test has reported that it did not run.
    pub(crate) fn open(origin: &str) -> Option<Self> {
        let driver = root().join("tests/interop/browser.mjs");
        let axe = dependency("ACTIONPASS_NODE_DEPS", "node").join("node_modules/axe-core/axe.min.js");
        if !is_ready(Language::Browser, &driver) {
            return None;
        }
        let mut command = command(Language::Browser, &driver).unwrap();
        command.arg(origin).arg(axe);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let to = child.stdin.take();
        let mut from = BufReader::new(child.stdout.take().unwrap());
        from.read_line(&mut String::new()).unwrap();
        let mut browser = Self {
            child,
            to,
            from,
            origin: origin.to_owned(),
        };
        browser.desktop();
        Some(browser)
    }

    /// The origin of the page.
    pub(crate) fn origin(&self) -> &str {
        &self.origin
    }

    pub(crate) fn ask(&mut self, question: &Value) -> Value {
        self.try_ask(question)
            .unwrap_or_else(|error| panic!("{question}: {error}"))
    }

    fn try_ask(&mut self, question: &Value) -> Result<Value, String> {
        writeln!(self.to.as_mut().unwrap(), "{question}").unwrap();
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{question} {line:?}: {error}"));
        match answer.get("error") {
            Some(error) => Err(error.to_string()),
            None => Ok(answer["value"].clone()),
        }
    }

    /// What an expression gives; nothing while the page is changed for another.
    fn look(&mut self, expression: &str) -> Value {
        match self.try_ask(&json!({ "call": expression })) {
            Err(error) if error.contains("navigated") || error.contains("context was destroyed") => Value::Null,
            answer => answer.unwrap_or_else(|error| panic!("{expression}: {error}")),
        }
    }

    pub(crate) fn call(&mut self, expression: &str) -> Value {
        self.ask(&json!({ "call": expression }))
    }

    pub(crate) fn go(&mut self, path: &str) {
        // The same address with another fragment would load nothing.
        self.ask(&json!({ "go": "about:blank" }));
        let url = if path.starts_with('/') {
            format!("{}{path}", self.origin)
        } else {
            path.to_owned()
        };
        self.ask(&json!({ "go": url }));
    }

    pub(crate) fn text(&mut self) -> String {
        self.look("document.body?.innerText")
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// Waits until the page says this.
    pub(crate) fn until(&mut self, words: &str) {
        let start = Instant::now();
        while !self.text().contains(words) {
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "no {words:?} in {}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Presses a button once it can be pressed.
    pub(crate) fn press(&mut self, id: &str) {
        let start = Instant::now();
        while self.look(&format!("document.getElementById('{id}')?.disabled")) != json!(false) {
            assert!(start.elapsed() < Duration::from_secs(20), "{id} can't be pressed");
            std::thread::sleep(Duration::from_millis(50));
        }
        self.call(&format!("document.getElementById('{id}').click()"));
    }

    /// Follows a link that is shown.
    pub(crate) fn click(&mut self, selector: &str) {
        self.call(&format!("document.querySelector({selector:?}).click()"));
    }

    pub(crate) fn size(&mut self, width: u64, height: u64) {
        let params = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.ask(&json!({ "method": "Emulation.setDeviceMetricsOverride", "params": params }));
    }

    fn desktop(&mut self) {
        self.size(1200, 800);
    }

    fn scheme(&mut self, scheme: &str) {
        let features = json!([
            { "name": "prefers-color-scheme", "value": scheme }, { "name": "prefers-reduced-motion", "value": "reduce" },
        ]);
        self.ask(&json!({ "method": "Emulation.setEmulatedMedia", "params": { "features": features } }));
    }

    fn text_size(&mut self, pixels: u64) {
        let params = json!({ "fontSizes": { "standard": pixels, "fixed": pixels * 13 / 16 } });
        self.ask(&json!({ "method": "Page.setFontSizes", "params": params }));
    }

    /// What every screen has to hold.
    pub(crate) fn examine(&mut self, screen: &str) {
        self.examine_loud(screen);
        self.is_quiet(screen);
    }

    /// The same of one whose address answers with an error, which the console tells.
    pub(crate) fn examine_loud(&mut self, screen: &str) {
        for (width, height, pixels) in [(1200, 800, 16), (360, 740, 16), (360, 740, 32)] {
            self.size(width, height);
            self.text_size(pixels);
            for scheme in ["light", "dark"] {
                self.scheme(scheme);
                let found = self.ask(&json!({ "axe": true }));
                assert_eq!(found, json!([]), "{screen}, {scheme}, {width} pixels, text of {pixels}");
                let is_wanted = pixels == 16 && ["waiting", "request"].contains(&screen);
                self.picture(&format!("{screen}-{scheme}-{width}"), is_wanted);
            }
            let over = self.call(
                "[...document.querySelectorAll('*')].map(at => [at.getBoundingClientRect().right, at])
                 .filter(([right]) => document.documentElement.scrollWidth > innerWidth && right > innerWidth)
                 .map(([right, at]) => `${at.tagName} ${at.className}: ${right}: ${at.textContent.slice(0, 40)}`)",
            );
            assert_eq!(over, json!([]), "too wide: {screen} at {width}, text of {pixels}");
            let over = self.call("document.documentElement.scrollWidth - innerWidth");
            assert!(
                over.as_i64().unwrap() <= 0,
                "{screen} is {over} pixels too wide at {width}, text of {pixels}"
            );
        }
        self.text_size(16);
        self.scheme("light");
        self.desktop();
    }

    pub(crate) fn is_quiet(&mut self, screen: &str) {
        assert_eq!(self.ask(&json!({ "problems": true })), json!([]), "{screen}");
    }

    fn picture(&mut self, name: &str, is_wanted: bool) {
        let Some(folder) = std::env::var_os("ACTIONPASS_PICTURES").filter(|_| is_wanted) else {
            return;
        };
        let folder = if folder == "1" {
            root().join("docs/images")
        } else {
            PathBuf::from(folder)
        };
        std::fs::create_dir_all(&folder).unwrap();
        self.ask(&json!({ "picture": folder.join(format!("page-{name}.png")) }));
    }
}

/// The driver ends Chromium when it has nothing more to read.
impl Drop for Browser {
    fn drop(&mut self) {
        drop(self.to.take());
        self.child.wait().ok();
    }
}
