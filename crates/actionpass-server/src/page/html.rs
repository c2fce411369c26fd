//! What all pages have around them, and how texts of others and times stand in them.

use std::time::Duration;

use actionpass_client::api::Problem;
use actionpass_display::Text;
use actionpass_model::{Timestamp, WebOrigin};
use maud::{DOCTYPE, Markup, html};

use super::sessions::Person;
use crate::ServerCode;

/// A whole page. `title` is ours.
pub(super) fn page(title: &str, person: Option<&Person>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · ActionPass" }
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                link rel="stylesheet" href="/page.css";
                script src="/page.js" defer {}
            }
            body {
                a .skip href="#main" { "Skip to the content" }
                header .top {
                    a .brand href="/" { img src="/icon.svg" alt="" width="20" height="20"; span { "ActionPass" } }
                    @if let Some(person) = person {
                        nav aria-label="Pages" {
                            a href="/" aria-current=[(title == WAITING).then_some("page")] { "Waiting" }
                            a href="/history" aria-current=[(title == HISTORY).then_some("page")] { "History" }
                        }
                        form .who method="post" action="/sign-out" {
                            span { (person.principal.as_str()) }
                            button .plain { "Sign out" }
                        }
                    }
                }
                main #main tabindex="-1" { (content) }
            }
        }
    }
}

/// The title of the first screen.
pub(super) const WAITING: &str = "Waiting for you";
/// The title of the history.
pub(super) const HISTORY: &str = "History";

/// What stands where a script is needed and there is none.
pub(super) fn script_needed(text: &str) -> Markup {
    html! { noscript { p .note { (text) } } }
}

/// A page that says one thing.
pub(super) fn message(title: &str, text: &str, person: Option<&Person>) -> Markup {
    let content = html! {
        section .card {
            h1 { (title) }
            p { (text) }
            p { a href="/" { "What waits for you" } }
        }
    };
    page(title, person, &content)
}

/// A problem as people read it. Under another host than the page's none of its files is served, so that one has no style.
pub(super) fn refused(problem: &Problem, origin: &WebOrigin) -> Markup {
    let is_unreachable = problem.code == ServerCode::GateUnreachable.as_str();
    let title = match problem.status {
        _ if is_unreachable => "The gate can\u{2019}t be reached",
        404 => "Not found",
        421 => "The page has another address",
        503 => "Not now",
        _ => "That didn\u{2019}t work",
    };
    let content = html! {
        section .card {
            h1 { (title) }
            p { (problem.title) }
            @if let Some(detail) = &problem.detail {
                @if problem.status == 421 {
                    // Without style an address is broken only where this says so.
                    p { @for part in detail.split_inclusive('/') { (shown(part)) wbr; } }
                } @else {
                    p { (shown(detail)) }
                }
            }
            @if is_unreachable {
                p {
                    "The service that has the requests doesn\u{2019}t answer this page. Nothing can be shown or decided until it does. "
                    "A request that nobody decides on expires; nothing is approved by that."
                }
            } @else if problem.status == 503 {
                p { "Nothing was decided. Try again in a moment." }
            }
            p .soft { "Code: " code { (problem.code) } }
            p { a href={ (origin) "/" } { "What waits for you" } }
        }
    };
    if problem.status != 421 {
        return page(title, None, &content);
    }
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · ActionPass" }
            }
            body { main { (content) } }
        }
    }
}

/// A text of others on one line: what is hidden in it or looks like something else is written as an escape, and marked.
pub(super) fn shown(raw: &str) -> Markup {
    let text = Text::name(raw);
    html! {
        bdi { (text.text) }
        @for flag in &text.flags { " " mark .flag { (flag.message()) } }
    }
}

/// A time as people read it, to the minute.
pub(super) fn time(time: Timestamp) -> Markup {
    let text = time.to_string();
    let (date, clock) = (text.get(..10).unwrap_or_default(), text.get(11..16).unwrap_or_default());
    html! { time datetime=(text) { (date) " " (clock) " UTC" } }
}

/// Seconds that are left. One that has begun counts: nothing is said to be over before it is.
pub(super) fn seconds_left(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

/// How long something is: `2 h 5 min`, `4 min 9 s`. The page's script counts it down in the same words.
pub(super) fn left(time: Duration) -> String {
    let seconds = seconds_left(time);
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match (hours, minutes) {
        (0, 0) => format!("{seconds} s"),
        (0, _) => format!("{minutes} min {seconds} s"),
        _ => format!("{hours} h {minutes} min"),
    }
}

/// Words with a comma between them, and one before the last: `a, b or c`.
pub(super) fn any_of<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<&str> = words.into_iter().collect();
    match words.split_last() {
        None => String::new(),
        Some((only, [])) => (*only).to_owned(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_never_told_as_less() {
        for (millis, seconds, text) in [
            (0, 0, "0 s"),
            (1, 1, "1 s"),
            (1000, 1, "1 s"),
            (59_001, 60, "1 min 0 s"),
            (3_599_999, 3600, "1 h 0 min"),
        ] {
            let time = Duration::from_millis(millis);
            assert_eq!((seconds_left(time), left(time).as_str()), (seconds, text));
        }
    }
}
