//! Which of two forms of a view is asked for (RFC 9110 §12.5.1).

use axum::http::{HeaderMap, header};

/// Whether HTML is preferred to JSON. JSON is what is given where nothing is said.
pub(crate) fn prefers_html(headers: &HeaderMap) -> bool {
    let (mut html, mut json) = (None, None);
    let mut any = (0.0, 0.0);
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or_default().split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let weight = parts.find_map(weight).unwrap_or(1.0);
            match name.as_str() {
                "text/html" => html = Some(weight),
                "application/json" => json = Some(weight),
                "text/*" => any.0 = weight,
                "application/*" | "*/*" => any.1 = weight,
                _ => {}
            }
        }
    }
    html.unwrap_or(any.0) > json.unwrap_or(any.1)
}

fn weight(parameter: &str) -> Option<f32> {
    let (name, value) = parameter.split_once('=')?;
    let is_weight = name.trim().eq_ignore_ascii_case("q");
    is_weight.then(|| value.trim().parse::<f32>().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_html_and_programs_json() {
        let asked = |accept: &str| {
            let mut headers = HeaderMap::new();
            if !accept.is_empty() {
                headers.insert(header::ACCEPT, accept.parse().unwrap());
            }
            prefers_html(&headers)
        };
        let browser = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
        for html in [
            browser,
            "text/html",
            "TEXT/HTML; charset=utf-8",
            "application/json;q=0.5, text/html;q=0.6",
        ] {
            assert!(asked(html), "{html}");
        }
        for json in [
            "",
            "*/*",
            "application/json",
            "application/json, text/html",
            "text/html;q=0",
            "text/html;q=x",
            ",",
        ] {
            assert!(!asked(json), "{json}");
        }
    }
}
