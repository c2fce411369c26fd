//! The view as a fragment of HTML: no script, no style, nothing loaded, every text of others escaped. It works under the
//! strictest Content-Security-Policy and without JavaScript; classes start with `ap-`.

use crate::escape::{Flag, Fold, Text, piece_len};
use crate::terminal::of;
use crate::view::{ChangeKind, Field, FieldType, Former, Section, SectionName, View};

/// The `<section>` of a section; empty if nothing is in it.
pub(crate) fn section(section: &Section) -> String {
    let mut page = Page::default();
    page.section(section);
    page.html
}

/// The `<article>` of a view.
pub(crate) fn view(view: &View) -> String {
    let mut page = Page::default();
    page.raw("<article class=\"ap-view\">\n");
    let warnings = view.warnings();
    if !warnings.is_empty() {
        page.raw("<ul class=\"ap-warnings\">\n");
        for warning in warnings {
            page.element("li", "ap-warning", &warning);
        }
        page.raw("</ul>\n");
    }
    for section in &view.sections {
        page.section(section);
    }
    page.raw("</article>\n");
    page.html
}

#[derive(Default)]
struct Page {
    html: String,
}

impl Page {
    /// Markup of ours.
    fn raw(&mut self, markup: &str) {
        self.html.push_str(markup);
    }

    /// Text, escaped for elements and for attributes in double quotes.
    fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '&' => self.raw("&amp;"),
                '<' => self.raw("&lt;"),
                '>' => self.raw("&gt;"),
                '"' => self.raw("&quot;"),
                '\'' => self.raw("&#39;"),
                _ => self.html.push(character),
            }
        }
    }

    /// A text of others, each escape in it marked.
    fn shown(&mut self, text: &str) {
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find('\\').unwrap_or(rest.len());
            let (plain, escaped) = rest.split_at_checked(end).unwrap_or((rest, ""));
            self.text(plain);
            let (escape, more) = escaped.split_at_checked(piece_len(escaped)).unwrap_or((escaped, ""));
            if !escape.is_empty() {
                self.raw("<mark class=\"ap-escape\">");
                self.text(escape);
                self.raw("</mark>");
            }
            rest = more;
        }
    }

    /// An element of ours with text in it.
    fn element(&mut self, name: &str, class: &str, text: &str) {
        self.raw(&format!("<{name} class=\"{class}\">"));
        self.text(text);
        self.raw(&format!("</{name}>\n"));
    }

    fn section(&mut self, section: &Section) {
        if section.fields.is_empty() && section.rest.is_none() {
            return;
        }
        let heading = match section.name {
            SectionName::Decision => "What is asked for",
            SectionName::Payload => "Payload, exactly this and nothing else",
            SectionName::Words => "The agent\u{2019}s own words, which nobody checked",
            SectionName::Facts => "Facts, which the issuer\u{2019}s host attests",
            SectionName::Hashes => "Hashes",
        };
        let (name, source) = (section.name.as_str(), section.name.source().as_str());
        self.raw(&format!("<section class=\"ap-section ap-{name} ap-{source}\">\n"));
        self.element("h2", "ap-heading", heading);
        let shown = section.fields.len().saturating_sub(section.folded);
        let (open, folded) = section.fields.split_at_checked(shown).unwrap_or((&section.fields, &[]));
        self.fields(open);
        if !folded.is_empty() {
            self.raw("<details class=\"ap-fold\">\n");
            self.element("summary", "ap-note", &format!("{} more values", folded.len()));
            self.fields(folded);
            self.raw("</details>\n");
        }
        if let Some(rest) = &section.rest {
            self.element("p", "ap-rest", &rest.message());
        }
        self.raw("</section>\n");
    }

    fn fields(&mut self, fields: &[Field]) {
        self.raw("<dl class=\"ap-fields\">\n");
        for field in fields {
            let lines = if field.text.text.contains('\n') {
                " ap-lines"
            } else {
                ""
            };
            self.raw(&format!("<div class=\"ap-field{lines}\">\n<dt class=\"ap-path\"><bdi>"));
            self.shown(&field.path);
            self.raw("</bdi>");
            if !matches!(field.kind, FieldType::Name | FieldType::Hash) {
                self.raw(" <span class=\"ap-type\">");
                self.text(&of(field.kind, &field.text));
                self.raw("</span>");
            }
            self.raw("</dt>\n<dd class=\"ap-value\">\n");
            match field.kind {
                FieldType::Name | FieldType::Hash => {
                    self.raw("<bdi class=\"ap-name\">");
                    self.shown(&field.text.text);
                    self.raw("</bdi>\n");
                }
                FieldType::Object | FieldType::Array => {}
                // What changed is read first; all of it stands below.
                _ if matches!(field.former, Some(Former::Text { .. })) => {}
                _ => self.value(&field.text),
            }
            self.flags(&field.path_flags);
            self.flags(&field.text.flags);
            if let Some(former) = &field.former {
                self.former(former);
                if matches!(former, Former::Text { .. }) {
                    self.element("p", "ap-note", "the whole text:");
                    self.value(&field.text);
                }
            }
            self.raw("</dd>\n</div>\n");
        }
        self.raw("</dl>\n");
    }

    /// A value, its folded part one click away.
    fn value(&mut self, text: &Text) {
        let (head, folded) = match text.fold {
            Some(fold) => fold.split(&text.text),
            None => (text.text.as_str(), ""),
        };
        self.pre(head, "");
        if let Some(fold) = text.fold {
            self.folded(fold, folded, "");
        }
    }

    /// Text as it is. The line feed behind the tag is no part of it, as HTML has it.
    fn pre(&mut self, text: &str, class: &str) {
        self.raw(&format!("<pre class=\"ap-text{class}\">\n<bdi>"));
        self.shown(text);
        self.raw("</bdi></pre>\n");
    }

    fn folded(&mut self, fold: Fold, text: &str, class: &str) {
        self.raw("<details class=\"ap-fold\">\n");
        self.element("summary", "ap-note", &fold.message());
        self.pre(text, class);
        self.raw("</details>\n");
    }

    fn flags(&mut self, flags: &[Flag]) {
        if flags.is_empty() {
            return;
        }
        self.raw("<ul class=\"ap-flags\">\n");
        for flag in flags {
            self.element(
                "li",
                &format!("ap-flag ap-flag-{}", flag.kind.as_str()),
                &flag.message(),
            );
        }
        self.raw("</ul>\n");
    }

    fn former(&mut self, former: &Former) {
        match former {
            Former::Same => self.element("p", "ap-note", "as before"),
            Former::Other(kind, text) => {
                self.element("p", "ap-note", &format!("before: {}", of(*kind, text)));
                if !matches!(kind, FieldType::Object | FieldType::Array) {
                    self.raw("<del class=\"ap-former\">\n");
                    self.value(text);
                    self.raw("</del>\n");
                }
            }
            Former::Text { changes, folded } => {
                self.element("p", "ap-note", "changes from before:");
                let shown = changes.len().saturating_sub(*folded);
                let (open, rest) = changes.split_at_checked(shown).unwrap_or((changes, &[]));
                self.changes(open);
                if !rest.is_empty() {
                    self.raw("<details class=\"ap-fold\">\n");
                    self.element("summary", "ap-note", &format!("{} more lines of changes", rest.len()));
                    self.changes(rest);
                    self.raw("</details>\n");
                }
            }
        }
    }

    fn changes(&mut self, changes: &[crate::Change]) {
        self.raw("<ul class=\"ap-changes\">\n");
        for change in changes {
            // What a mark alone would tell is told in words as well.
            let (class, tag) = match change.kind {
                ChangeKind::Skipped(count) => {
                    self.element("li", "ap-note", &format!("{count} lines stay"));
                    continue;
                }
                ChangeKind::Same => ("same", "span"),
                ChangeKind::Removed => ("removed", "del"),
                ChangeKind::Added => ("added", "ins"),
            };
            self.raw(&format!(
                "<li class=\"ap-{class}\"><span class=\"ap-kind\">{class}</span>\n<{tag} class=\"ap-line\">\n"
            ));
            self.value(&change.text);
            self.raw(&format!("</{tag}></li>\n"));
        }
        self.raw("</ul>\n");
    }
}
