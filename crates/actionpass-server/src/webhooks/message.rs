//! [`Message`]: an event as it is posted. Ids, names, times and a link; no payload, no words of anybody, no token.

use actionpass_core::RequestEvent;
use actionpass_display::Text;
use actionpass_home::WebhookFormat;
use actionpass_model::{ApprovalRequest, Issuer, Timestamp, WebOrigin};
use serde_json::{Value, json};

/// An event, written in each format.
#[derive(Debug)]
pub(crate) struct Message {
    id: String,
    standard: Vec<u8>,
    slack: Vec<u8>,
}

impl Message {
    pub(crate) fn of(event: &RequestEvent, issuer: &Issuer, origin: &WebOrigin) -> Self {
        Self::new(&event.event, (event.seq, event.time), &event.request, issuer, origin)
    }

    /// What happened to a request, with the number and the time of the record.
    fn new(
        event: &str,
        (seq, time): (u64, Timestamp),
        request: &ApprovalRequest,
        issuer: &Issuer,
        origin: &WebOrigin,
    ) -> Self {
        let link = format!("{}/requests/{}", origin.as_str(), request.id);
        let standard = json!({
            "type": format!("request.{}", event),
            "timestamp": time,
            "data": {
                "issuer": issuer, "seq": seq, "event": event, "request": request.id, "tenant": request.tenant,
                "agent": request.actor.agent, "task": request.task, "tool": request.tool, "resource": request.resource,
                "rules": request.rules, "createdAt": request.created_at, "expiresAt": request.expires_at, "link": link,
            },
        });
        Self {
            // The same for every attempt, and of no other event of any issuer.
            id: format!("{}.{}", request.id, seq),
            standard: standard.to_string().into_bytes(),
            slack: slack(event, request, &link).to_string().into_bytes(),
        }
    }

    /// What a receiver tells it apart from others by.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn body(&self, format: WebhookFormat) -> &[u8] {
        match format {
            WebhookFormat::Slack => &self.slack,
            _ => &self.standard,
        }
    }
}

/// A message as incoming webhooks of Slack take it. What others wrote is `plain_text`, in which Slack finds no links, names or
/// marks, and escaped beside that; the one link is ours, and nothing in it decides.
fn slack(event: &str, request: &ApprovalRequest, link: &str) -> Value {
    let title = format!("Approval request {}", happened(event));
    let field = |name: &str, text: &str| {
        // Slack takes 2,000 characters.
        let shown: String = Text::name(text).text.chars().take(300).collect();
        json!({ "type": "plain_text", "emoji": false, "text": escaped(&format!("{name}: {shown}")) })
    };
    let rules = request
        .rules
        .iter()
        .map(AsRef::as_ref)
        .collect::<Vec<&str>>()
        .join(", ");
    json!({
        "text": title,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": [
            {
                "type": "section",
                "text": { "type": "plain_text", "emoji": false, "text": title },
                "fields": [
                    field("Agent", request.actor.agent.as_str()),
                    field("Tool", request.tool.as_str()),
                    field("Resource", request.resource.as_str()),
                    field("Rule", &rules),
                    field("Expires", &request.expires_at.to_string()),
                ],
            },
            {
                "type": "section",
                "text": { "type": "mrkdwn", "verbatim": true, "text": format!("<{}|Read it>", escaped(link)) },
            },
        ],
    })
}

fn happened(event: &str) -> &'static str {
    match event {
        "opened" => "opened",
        "approve" => "approved by one",
        "decline" => "declined",
        "used" => "used: its action got a pass",
        "cancel" => "cancelled",
        "expire" => "expired",
        "lift" => "released: its agent may ask again",
        _ => "changed",
    }
}

/// Text with what Slack reads as markup escaped.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use actionpass_model::Resource;
    use actionpass_testkit::fixtures;

    use super::*;

    fn message(resource: &str) -> (Value, Value) {
        let origin = WebOrigin::parse("https://gate.example").unwrap();
        let mut request = fixtures::approval_request();
        request.resource = Resource::parse(resource).unwrap();
        let at = (7, request.created_at);
        let message = Message::new("opened", at, &request, &fixtures::issuer(), &origin);
        let read = |format| serde_json::from_slice(message.body(format)).unwrap();
        (read(WebhookFormat::Standard), read(WebhookFormat::Slack))
    }

    #[test]
    fn a_message_says_what_and_where_and_nothing_of_the_payload() {
        let (standard, _) = message("repo:a/b");
        assert_eq!(standard["type"], "request.opened");
        let data = standard["data"].as_object().unwrap();
        let names: Vec<&str> = data.keys().map(String::as_str).collect();
        let all = [
            "agent",
            "createdAt",
            "event",
            "expiresAt",
            "issuer",
            "link",
            "request",
            "resource",
            "rules",
            "seq",
            "task",
            "tenant",
            "tool",
        ];
        assert_eq!(names, all);
        let id = fixtures::approval_request().id;
        assert_eq!(data["link"], format!("https://gate.example/requests/{id}"));
    }

    #[test]
    fn slack_is_given_no_markup_of_others() {
        for hostile in [
            "repo:<!channel>",
            "repo:<https://evil.example|Approve>",
            "repo:&lt;@U1&gt;",
            "repo:*bold*`x`",
        ] {
            let (_, slack) = message(hostile);
            let text = slack.to_string();
            assert_eq!(text.matches("<https://").count(), 1, "{text}");
            assert!(!text.contains("<!") && !text.contains("<@"), "{text}");
            let fields = slack["blocks"][0]["fields"].as_array().unwrap();
            assert!(
                fields
                    .iter()
                    .all(|field| field["type"] == "plain_text" && field["emoji"] == false)
            );
            assert!(!text.contains("button") && !text.contains("actions"));
        }
        let (_, slack) = message("repo:<!here>");
        assert_eq!(slack["blocks"][0]["fields"][2]["text"], "Resource: repo:&lt;!here&gt;");
    }
}
