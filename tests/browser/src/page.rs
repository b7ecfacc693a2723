//! A page as a person meets it.

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use thirtyfour::error::WebDriverResult;
use thirtyfour::{By, WebDriver, WebElement};
use tokio::runtime::Runtime;

use crate::Script;
use crate::hostile::FIND_OWNED;

pub use thirtyfour::Key;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two looks at a page.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Highest picture, in CSS pixels: what a person still looks through.
const PICTURE_HEIGHT_MAX: u32 = 4000;

/// What leaves the browser: not its own `data:` and `chrome:`.
const NETWORK: [&str; 4] = ["http://", "https://", "ws://", "wss://"];

/// What the browser logs when a service is gone or a path is not there: tests end services.
const EXPECTED: [&str; 2] = ["WebSocket connection to", "Failed to load resource"];

/// A browser of its own that shows a page.
#[derive(Debug)]
pub struct Page {
    session: WebDriver,
    runtime: Rc<Runtime>,
    complaints: RefCell<Vec<String>>,
    requests: RefCell<Vec<String>>,
}

/// What a page is looked at on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Its width, in CSS pixels.
    pub width: u32,
    /// Its height, in CSS pixels.
    pub height: u32,
    /// Physical pixels in one of CSS.
    pub density: u32,
    /// Whether the person prefers light on dark.
    pub is_dark: bool,
}

impl Screen {
    /// A window on a desk.
    pub const DESKTOP: Self = Self {
        width: 1100,
        height: 800,
        density: 1,
        is_dark: false,
    };
    /// A phone held upright.
    pub const PHONE: Self = Self {
        width: 390,
        height: 844,
        density: 2,
        is_dark: false,
    };

    /// The same, light on dark.
    #[must_use]
    pub const fn dark(self) -> Self {
        Self {
            is_dark: true,
            ..self
        }
    }
}

impl Page {
    pub(crate) fn new(session: WebDriver, runtime: Rc<Runtime>) -> Self {
        let page = Self {
            session,
            runtime,
            complaints: RefCell::default(),
            requests: RefCell::default(),
        };
        page.on(Screen::DESKTOP);
        page
    }

    /// Runs `script` before the scripts of whatever is loaded from now on.
    #[track_caller]
    pub fn before_load(&self, script: Script) {
        self.devtools(
            "Page.addScriptToEvaluateOnNewDocument",
            &json!({ "source": script.source() }),
        );
    }

    /// Loads another page.
    #[track_caller]
    pub fn goes_to(&self, url: &str) {
        self.wait_for(self.session.goto(url), "to load a page");
    }

    /// Loads the page again.
    #[track_caller]
    pub fn reload(&self) {
        self.wait_for(self.session.refresh(), "to load the page again");
    }

    /// Shows the page on another screen.
    #[track_caller]
    pub fn on(&self, screen: Screen) {
        let metrics = json!({
            "width": screen.width, "height": screen.height, "deviceScaleFactor": screen.density, "mobile": screen.density > 1,
        });
        let scheme = if screen.is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
        self.devtools("Emulation.setEmulatedMedia", &media);
    }

    // --- What a person does ---

    /// Clicks the first element that `css` selects, once it is there and nothing lies over it.
    #[track_caller]
    pub fn click(&self, css: &str) {
        self.act(css, "clicked", async |element| element.click().await);
    }

    /// Puts `text` into a field in place of what is there.
    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        self.act(css, "filled", async |element| element.clear().await);
        self.click(css);
        // As an input method does: keys are for what a keyboard has.
        self.devtools("Input.insertText", &json!({ "text": text }));
    }

    /// Presses keys, wherever the focus is: `Key::Tab + Key::Enter`, or a text.
    #[track_caller]
    pub fn press(&self, keys: impl Into<thirtyfour::TypingData>) {
        let focused = self.wait_for(self.session.active_element(), "to find the focus");
        self.wait_for(focused.send_keys(keys), "to press keys");
    }

    // --- What a person sees ---

    /// Waits until what `css` selects shows `text`.
    #[track_caller]
    pub fn sees(&self, css: &str, text: &str) {
        self.wait_until(
            &format!("{css} shows {text:?}"),
            "return [...document.querySelectorAll(arguments[0])].some((it) => it.checkVisibility() \
             && (it.innerText + (it.value ?? '')).includes(arguments[1]));",
            vec![json!(css), json!(text)],
        );
    }

    /// Waits until nothing that `css` selects can be seen.
    #[track_caller]
    pub fn misses(&self, css: &str) {
        self.wait_until(
            &format!("{css} is gone"),
            "return [...document.querySelectorAll(arguments[0])].every((it) => !it.checkVisibility());",
            vec![json!(css)],
        );
    }

    /// Waits until `condition`, a JavaScript expression, is true.
    #[track_caller]
    pub fn until(&self, condition: &str) {
        self.wait_until(condition, &format!("return Boolean({condition});"), Vec::new());
    }

    /// The texts of all that `css` selects, as they are on the page.
    #[track_caller]
    #[must_use]
    pub fn texts(&self, css: &str) -> Vec<String> {
        let texts = self.evaluate_with(
            "return [...document.querySelectorAll(arguments[0])].map((it) => it.innerText ?? it.textContent);",
            vec![json!(css)],
        );
        serde_json::from_value(texts).expect("texts")
    }

    /// What a JavaScript expression gives.
    #[track_caller]
    pub fn evaluate(&self, expression: &str) -> Value {
        self.evaluate_with(&format!("return ({expression});"), Vec::new())
    }

    /// What a JavaScript function body returns; its arguments are in `arguments`.
    #[track_caller]
    pub fn evaluate_with(&self, body: &str, arguments: Vec<Value>) -> Value {
        self.wait_for(self.session.execute(body, arguments), "to run a script")
            .json()
            .clone()
    }

    // --- What nobody should see ---

    /// Everything that the browser has asked a network for, in order.
    #[track_caller]
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        let log = self.wait_for(self.session.get_log("performance"), "to read what was requested");
        let urls = log.iter().filter_map(|entry| {
            let event: Value = serde_json::from_str(&entry.message).ok()?;
            let message = &event["message"];
            let url = match message["method"].as_str()? {
                "Network.requestWillBeSent" => &message["params"]["request"]["url"],
                "Network.webSocketCreated" => &message["params"]["url"],
                _ => return None,
            };
            let url = url.as_str()?;
            let is_of_network = NETWORK.iter().any(|scheme| url.starts_with(scheme));
            is_of_network.then(|| url.to_owned())
        });
        self.requests.borrow_mut().extend(urls);
        self.requests.borrow().clone()
    }

    /// Panics if a script failed, or the page tried what its Content-Security-Policy forbids.
    #[track_caller]
    pub fn has_no_complaint(&self) {
        let log = self.wait_for(self.session.browser_log(), "to read the browser's log");
        let severe = log
            .into_iter()
            .filter(|entry| entry.level == "SEVERE")
            .map(|entry| entry.message)
            .filter(|message| !EXPECTED.iter().any(|expected| message.contains(expected)));
        self.complaints.borrow_mut().extend(severe);
        let complaints = self.complaints.borrow();
        assert!(complaints.is_empty(), "the browser complains: {complaints:#?}");
    }

    /// Panics if one of the [`HOSTILE`](crate::HOSTILE) texts became more than text, or the page spoke to anybody but the server
    /// it came from.
    #[track_caller]
    pub fn has_only_text(&self) {
        let owned = self.evaluate_with(FIND_OWNED, Vec::new());
        assert_eq!(owned, json!([]), "a text became part of the page");
        let own = self
            .evaluate("location.host")
            .as_str()
            .expect("a host")
            .to_owned();
        for url in self.requests() {
            let is_own = url
                .split_once("://")
                .is_some_and(|(_, rest)| rest.starts_with(&format!("{own}/")));
            assert!(is_own && !url.contains("owned"), "the page asked for {url}");
        }
        self.has_no_complaint();
    }

    /// Panics if something keeps people from using what is shown: a control without a name for screen readers or too small to
    /// hit, text that cannot be told from its background, a page wider than its screen.
    #[track_caller]
    pub fn is_usable(&self) {
        let problems = self.evaluate_with(include_str!("scripts/usable.js"), Vec::new());
        assert_eq!(problems, json!([]), "not everybody can use this page");
    }

    /// Writes pictures of the whole page, on a desk and on a phone, light and dark, into `target/browser/`. Panics if the page
    /// [cannot be used](Self::is_usable) on one of them.
    #[track_caller]
    pub fn screenshot(&self, name: &str) {
        for (suffix, screen) in [
            ("desktop", Screen::DESKTOP),
            ("desktop-dark", Screen::DESKTOP.dark()),
            ("phone", Screen::PHONE),
            ("phone-dark", Screen::PHONE.dark()),
        ] {
            self.on(screen);
            let height = self.evaluate("document.documentElement.scrollHeight").as_u64();
            let height = height.and_then(|height| u32::try_from(height).ok()).unwrap_or(0);
            self.on(Screen {
                height: height.clamp(screen.height, PICTURE_HEIGHT_MAX),
                ..screen
            });
            self.picture(&format!("{name}-{suffix}"));
            self.is_usable();
        }
        self.on(Screen::DESKTOP);
    }

    /// Writes one picture of the page as it is shown now.
    #[track_caller]
    pub fn picture(&self, name: &str) -> PathBuf {
        let file = pictures().join(format!("{name}.png"));
        self.wait_for(self.session.screenshot(&file), "to take a picture");
        file
    }

    // --- How ---

    #[track_caller]
    fn act(&self, css: &str, what: &str, work: impl AsyncFn(WebElement) -> WebDriverResult<()>) {
        let until = Instant::now() + PATIENCE;
        loop {
            let tried = self.runtime.block_on(async {
                let element = self.session.find(By::Css(css)).await?;
                work(element).await
            });
            match tried {
                Ok(()) => return,
                Err(error) if Instant::now() > until => {
                    self.give_up(&format!("{css} could not be {what}: {error}"))
                }
                Err(_) => sleep(LOOK_EVERY),
            }
        }
    }

    #[track_caller]
    fn wait_until(&self, what: &str, body: &str, arguments: Vec<Value>) {
        let until = Instant::now() + PATIENCE;
        loop {
            let looked = self
                .runtime
                .block_on(self.session.execute(body, arguments.clone()));
            match looked {
                Ok(seen) if seen.json() == &Value::Bool(true) => return,
                looked if Instant::now() > until => {
                    let error = looked.err().map(|error| format!(" ({error})"));
                    self.give_up(&format!("it never came that {what}{}", error.unwrap_or_default()))
                }
                _ => sleep(LOOK_EVERY),
            }
        }
    }

    /// Panics with what the page looks like.
    #[track_caller]
    fn give_up(&self, what: &str) -> ! {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("test").replace("::", "-");
        let picture = pictures().join(format!("failed-{test}.png"));
        let _ = self.runtime.block_on(self.session.screenshot(&picture));
        let shown = self.runtime.block_on(async {
            let text = self
                .session
                .execute("return document.body.innerText;", Vec::new())
                .await?;
            let log = self.session.browser_log().await?;
            WebDriverResult::Ok(format!("{}\n{log:#?}", text.json().as_str().unwrap_or_default()))
        });
        panic!(
            "{what}; see {}. The page shows:\n{}",
            picture.display(),
            shown.unwrap_or_else(|error| error.to_string())
        );
    }

    #[track_caller]
    fn devtools(&self, method: &str, parameters: &Value) -> Value {
        let cdp = self.session.cdp();
        self.wait_for(cdp.send_raw(method, parameters), method)
    }

    #[track_caller]
    fn wait_for<T>(&self, work: impl Future<Output = WebDriverResult<T>>, what: &str) -> T {
        let done = self.runtime.block_on(work);
        done.unwrap_or_else(|error| panic!("the browser failed {what}: {error}"))
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // The browser ends with its chromedriver; asking it to would hang where a dialog is open.
        let _ = self.session.clone().leak();
    }
}

/// Where pictures go: `target/browser`, beside what is built.
fn pictures() -> PathBuf {
    let program = std::env::current_exe().expect("a test knows where it is");
    let target = program
        .ancestors()
        .nth(3)
        .expect("cargo puts tests into target/PROFILE/deps");
    let folder = target.join("browser");
    fs::create_dir_all(&folder).expect("a folder for pictures");
    folder
}
