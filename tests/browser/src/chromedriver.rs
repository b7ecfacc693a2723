//! The chromedriver of a test: found, started on a free port, and ended with everything it started.

use std::cell::Cell;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, test_kill_process_group, waitpgid};
use serde_json::json;
use tempfile::TempDir;
use thirtyfour::common::capabilities::desiredcapabilities::CapabilitiesHelper as _;
use thirtyfour::{ChromiumLikeCapabilities as _, DesiredCapabilities, LoggingPrefsLogLevel, WebDriver};
use tokio::runtime::Runtime;

use crate::page::Page;

/// Says whether there has to be a browser (`1`), must not be one (`0`), or may be one (not set).
const WANTED: &str = "ANTES_BROWSER";

const DRIVERS: [&str; 1] = ["chromedriver"];
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

/// How often a chromedriver is started that ends at once: it chooses a port before it listens there, and somebody else may be quicker.
const STARTS_MAX: usize = 3;

/// How long killed browsers may take to be gone.
const END_MAX: Duration = Duration::from_secs(5);

/// Nothing that a test does not ask for: no window, no update, no traffic but ours. A foreign page is to be refused by our
/// servers, not by a browser that may be newer than others.
const FLAGS: [&str; 11] = [
    "--disable-features=LocalNetworkAccessChecks",
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-breakpad",
    "--disable-dev-shm-usage",
];

/// A chromedriver of this test's own. Dropping it kills it, and every browser it has started.
#[derive(Debug)]
pub struct Browser {
    driver: Child,
    url: String,
    chromium: PathBuf,
    runtime: Rc<Runtime>,
    /// All that its browsers write: their profiles, and what they put aside and leave behind when they are killed.
    folder: TempDir,
    /// Browsers started.
    browsers: Cell<usize>,
}

impl Browser {
    /// Starts a chromedriver. Nothing, after a word on stderr, where there is no browser.
    ///
    /// # Panics
    ///
    /// If there is no browser and `ANTES_BROWSER=1` says that there has to be one; if it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let wanted = env::var(WANTED).ok().filter(|wanted| !wanted.is_empty());
        if wanted.as_deref() == Some("0") {
            return skip(&format!("{WANTED}=0"));
        }
        let found = find(&DRIVERS).zip(find(&BROWSERS));
        let Some((chromedriver, chromium)) = found else {
            let why =
                "no chromium with its chromedriver here; hint: apt-get install chromium chromium-driver";
            assert!(wanted.is_none(), "{WANTED} is set, but there is {why}");
            return skip(why);
        };
        let folder = tempfile::Builder::new()
            .prefix("antes-browser-")
            .tempdir()
            .expect("a folder for what browsers write");
        adopt_orphans();
        let (driver, port) = (0..STARTS_MAX)
            .find_map(|_| serve(&chromedriver, folder.path()))
            .expect("chromedriver says its port");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        Some(Self {
            driver,
            url: format!("http://127.0.0.1:{port}"),
            chromium,
            runtime: Rc::new(runtime),
            folder,
            browsers: Cell::default(),
        })
    }

    /// Opens a page at `url` in a fresh browser.
    ///
    /// # Panics
    ///
    /// If the browser does not start or the page cannot be loaded.
    #[must_use]
    #[track_caller]
    pub fn open(&self, url: &str) -> Page {
        let page = self.blank();
        page.goes_to(url);
        page
    }

    /// A fresh browser that shows nothing yet, to be prepared with [`Page::before_load`].
    ///
    /// # Panics
    ///
    /// If the browser does not start.
    #[must_use]
    #[track_caller]
    pub fn blank(&self) -> Page {
        let profile = self
            .folder
            .path()
            .join(format!("profile-{}", self.browsers.get()));
        self.browsers.set(self.browsers.get() + 1);
        let capabilities = capabilities(&self.chromium, &profile).expect("capabilities are JSON");
        let session = self
            .runtime
            .block_on(WebDriver::new(&self.url, capabilities))
            .expect("the browser starts");
        Page::new(session, Rc::clone(&self.runtime))
    }
}

/// Starts a chromedriver that writes into `folder`. Nothing if it ends before it serves.
fn serve(chromedriver: &Path, folder: &Path) -> Option<(Child, u16)> {
    let mut driver = Command::new(chromedriver)
        .arg("--port=0")
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        // Its browsers belong to its group, so that all of them can be ended at once.
        .process_group(0)
        .spawn()
        .expect("chromedriver starts");
    let stdout = BufReader::new(driver.stdout.take().expect("piped"));
    // Its last line before it serves ends with `on port 36005.`
    let port = stdout.lines().map_while(Result::ok).find_map(|line| {
        let (_, port) = line.split_once("successfully on port ")?;
        port.trim_end_matches('.').parse().ok()
    });
    if port.is_none() {
        // It has closed its output, but may not be gone yet.
        let _ = driver.kill();
        let _ = driver.wait();
    }
    Some((driver, port?))
}

fn capabilities(
    chromium: &Path,
    profile: &Path,
) -> thirtyfour::error::WebDriverResult<thirtyfour::ChromeCapabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    capabilities.set_binary(&chromium.display().to_string())?;
    for flag in FLAGS {
        capabilities.add_arg(flag)?;
    }
    capabilities.add_arg(&format!("--user-data-dir={}", profile.display()))?;
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    capabilities.set_logging_prefs("performance", LoggingPrefsLogLevel::All)?;
    // A dialog that nobody expects makes the next step fail instead of going away by itself.
    capabilities.set("unhandledPromptBehavior", json!("ignore"))?;
    Ok(capabilities)
}

impl Drop for Browser {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.driver);
        // All of this may be over already.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.driver.wait();
        let until = Instant::now() + END_MAX;
        while test_kill_process_group(group).is_ok() && Instant::now() < until {
            // What a killed chromedriver leaves behind is ours to wait for; until somebody does, it counts as there.
            while let Ok(Some(_)) = waitpgid(group, WaitOptions::NOHANG) {}
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Makes this process the parent of whatever a killed chromedriver has started: the parent of all orphans may take seconds to notice
/// that one of them is dead.
fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid())).expect("a process may adopt");
}

/// Says that a test is skipped, even where the test's own output is not shown.
fn skip<T>(why: &str) -> Option<T> {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test").to_owned();
    // If stderr is closed nobody is there to be told.
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
    None
}

/// The first of these programs that is on the path.
fn find(names: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    let mut places = names
        .iter()
        .flat_map(|name| env::split_paths(&path).map(move |folder| folder.join(name)));
    places.find(|place| place.is_file())
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::HOSTILE;

    #[test]
    fn all_browsers_end_with_it_and_leave_nothing_also_by_a_panic() {
        let Some(browser) = Browser::start() else { return };
        let group = Pid::from_child(&browser.driver);
        let folder = browser.folder.path().to_owned();
        let page = browser.blank();
        let mut written = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name());
        assert!(
            written.any(|name| !name.to_string_lossy().starts_with("profile-")),
            "what the browser puts aside is somewhere else"
        );
        page.evaluate("setTimeout(() => alert('nobody closes this'))");
        let panicked = catch_unwind(AssertUnwindSafe(move || {
            let _both = (page, browser);
            panic!("on purpose");
        }));
        assert!(panicked.is_err());
        assert!(
            test_kill_process_group(group).is_err(),
            "a browser outlived its test"
        );
        assert!(!folder.exists(), "{} is left behind", folder.display());
    }

    /// The control of every injection test: the same texts, taken for markup, are found.
    #[test]
    fn a_text_that_becomes_markup_is_found() {
        let Some(browser) = Browser::start() else { return };
        for hostile in HOSTILE {
            let page = browser.open("data:text/html,<p>");
            page.evaluate_with("document.body.textContent = arguments[0];", vec![json!(hostile)]);
            page.has_only_text();
            page.evaluate_with("document.body.innerHTML = arguments[0];", vec![json!(hostile)]);
            let checked = catch_unwind(AssertUnwindSafe(|| page.has_only_text()));
            assert!(checked.is_err(), "{hostile} went unnoticed");
        }
    }

    /// The control of every picture: what keeps people from using a page is found.
    #[test]
    fn a_page_that_cannot_be_used_is_found_out() {
        let Some(browser) = Browser::start() else { return };
        let problems = |html: &str| {
            let page = browser.open("data:text/html,");
            page.evaluate_with(
                "document.open(); document.write(arguments[0]); document.close();",
                vec![json!(html)],
            );
            page.evaluate_with(include_str!("scripts/usable.js"), Vec::new())
        };
        let good = "<!doctype html><html lang=en><title>t</title><main><h1>Good</h1><label>Name <input style='height: 2em'></label>";
        assert_eq!(problems(good), json!([]));
        let bad = "<!doctype html><p style='color: #888'>faint</p><input style='height: 9px'><i style='display: block; width: 2000px'>wide</i> \
                   <button aria-label='Close'>Open</button><ol role=log><li>item</ol>";
        let found = problems(bad).to_string();
        for expected in [
            "names no language",
            "has no title",
            "no main landmark",
            "no heading",
            "px wide on a screen of 1100",
            "has no name: <input>",
            "too small: <input>",
            "contrast is 3.54: <p> faint",
            "otherwise than it reads: <button> Open",
            "in no list: <li> item",
        ] {
            assert!(found.contains(expected), "{expected} in {found}");
        }
    }
}
