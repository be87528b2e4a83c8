//! Splits the user and process of an event, for formats that put them elsewhere than ECS does.

/// The parts of the JSON of a user and a process, as the members of an ECS event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Who<'a> {
    name: &'a [u8],
    domain: Option<&'a [u8]>,
    email: Option<&'a [u8]>,
    process: &'a [u8],
}

impl<'a> Who<'a> {
    /// Splits `shared`; None if it has no user, or one with characters that JSON escapes.
    pub fn read(shared: &'a [u8]) -> Option<Self> {
        let (name, rest) = text(shared.strip_prefix(br#""user":{"name":""#)?)?;
        let (domain, rest) = member(rest, br#","domain":""#)?;
        let (email, rest) = member(rest, br#","email":""#)?;
        let related = name.len() + 2 + email.map_or(0, |email| email.len() + 3);
        let rest = rest.strip_prefix(br#"},"related":{"user":["#)?;
        Some(Self { name, domain, email, process: rest.get(related..)?.strip_prefix(b"]},")? })
    }

    /// The name.
    pub const fn name(&self) -> &'a [u8] {
        self.name
    }

    /// Appends the members of an OCSF user to `out`, with the e-mail address only if OCSF accepts it.
    pub fn put_user(&self, out: &mut Vec<u8>) {
        put_member(out, br#""name":""#, Some(self.name));
        put_member(out, br#","domain":""#, self.domain);
        put_member(out, br#","email_addr":""#, self.email.filter(|email| is_address(email)));
    }

    /// Appends the ECS members that have no place in OCSF to `out`.
    pub fn put_rest(&self, out: &mut Vec<u8>) {
        if let Some(email) = self.email.filter(|email| !is_address(email)) {
            put_member(out, br#""user":{"email":""#, Some(email));
            out.extend_from_slice(b"},");
        }
        out.extend_from_slice(self.process);
    }
}

/// Splits a JSON string off at its closing quote; None if anything in it is escaped.
fn text(json: &[u8]) -> Option<(&[u8], &[u8])> {
    let (text, rest) = json.split_at(memchr::memchr2(b'"', b'\\', json)?);
    Some((text, rest.strip_prefix(b"\"")?))
}

/// Splits an optional member off.
fn member<'a>(json: &'a [u8], begin: &[u8]) -> Option<(Option<&'a [u8]>, &'a [u8])> {
    match json.strip_prefix(begin) {
        None => Some((None, json)),
        Some(json) => text(json).map(|(text, rest)| (Some(text), rest)),
    }
}

fn put_member(out: &mut Vec<u8>, begin: &[u8], text: Option<&[u8]>) {
    if let Some(text) = text {
        out.extend_from_slice(begin);
        out.extend_from_slice(text);
        out.push(b'"');
    }
}

/// True for an `email_t` of OCSF, as in `ocsf.py`.
fn is_address(email: &[u8]) -> bool {
    let Some(at) = memchr::memchr(b'@', email) else { return false };
    let (local, domain) = (&email[..at], &email[at + 1..]);
    let Some(dot) = memchr::memchr(b'.', domain) else { return false };
    let (first, others) = (&domain[..dot], &domain[dot + 1..]);
    let is_label = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    let is_local = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(byte);
    let is_full = !local.is_empty() && !first.is_empty() && !others.is_empty();
    is_full
        && local.iter().all(is_local)
        && first.iter().all(is_label)
        && others.iter().all(|byte| is_label(byte) || *byte == b'.')
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::{Who, is_address};
    use crate::drawn::{damaged, each};

    const PROCESS: &str = r#""process":{"pid":1},"#;

    fn shown(shared: &str) -> Option<String> {
        let who = Who::read(shared.as_bytes())?;
        let mut out = vec![];
        who.put_user(&mut out);
        out.push(b' ');
        out.extend_from_slice(who.name());
        out.push(b' ');
        who.put_rest(&mut out);
        Some(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn users() {
        let bare = format!(r#""user":{{"name":"anna"}},"related":{{"user":["anna"]}},{PROCESS}"#);
        assert_eq!(shown(&bare), Some(format!(r#""name":"anna" anna {PROCESS}"#)));
        let domain = r#""user":{"name":"anna","domain":"DOM"},"related":{"user":["anna"]},"#;
        assert_eq!(shown(domain).as_deref(), Some(r#""name":"anna","domain":"DOM" anna "#));
        let mail = |mail: &str| {
            format!(r#""user":{{"name":"é","domain":"b","email":"{mail}"}},"related":{{"user":["é","{mail}"]}},{PROCESS}"#)
        };
        let address = r#""name":"é","domain":"b","email_addr":"e@b.c" é "#;
        assert_eq!(shown(&mail("e@b.c")), Some(format!("{address}{PROCESS}")));
        let none = r#""name":"é","domain":"b" é "user":{"email":"é@b.c"},"#;
        assert_eq!(shown(&mail("é@b.c")), Some(format!("{none}{PROCESS}")));
    }

    #[test]
    fn no_users() {
        for shared in [
            "",
            PROCESS,
            r#""user":{"name":"an\"na"},"related":{"user":["an\"na"]},"#,
            r#""user":{"name":"anna","domain":"D\\"},"related":{"user":["anna"]},"#,
            r#""user":{"name":"anna","id":"7"},"related":{"user":["anna"]},"#,
            r#""user":{"name":"anna"},"related":{"user":["anna","b"]},"#,
            r#""user":{"name":"anna"},"related":{"user":["#,
            r#""user":{"name":"anna"#,
        ] {
            assert_eq!(shown(shared), None, "{shared}");
        }
    }

    /// The parts of any JSON that `Who::read` accepts make up that JSON again.
    #[test]
    fn parts_make_the_json() {
        let part = "[ -!#-\\[\\]-~éЖ]{0,9}";
        let users = (part, option::of(part), option::of(part)).prop_map(|(name, domain, email)| {
            let [domain, fields, related] = [(domain, ",\"domain\":"), (email.clone(), ",\"email\":"), (email, ",")]
                .map(|(text, before)| text.map_or_else(String::new, |text| format!("{before}\"{text}\"")));
            format!(r#""user":{{"name":"{name}"{domain}{fields}}},"related":{{"user":["{name}"{related}]}},{PROCESS}"#)
        });
        each(&damaged(users), |json| {
            let Some(Who { name, domain, email, process }) = Who::read(&json) else { return };
            let quoted = |text: &[u8]| [b"\"", text, b"\""].concat();
            let member = |before: &[u8], text: Option<&[u8]>| text.map_or(vec![], |text| [before, &quoted(text)].concat());
            let head = [&br#""user":{"name":"#[..], &quoted(name)].concat();
            let user = [head, member(br#","domain":"#, domain), member(br#","email":"#, email)].concat();
            assert!(json.starts_with(&[&user, &br#"},"related":{"user":["#[..]].concat()));
            assert!(json.ends_with(&[b"]},", process].concat()));
        });
    }

    #[test]
    fn addresses() {
        for email in ["a@b.c", "o'brien+x@b-2.co.uk", "a.b@c..", "{a}@1.-"] {
            assert!(is_address(email.as_bytes()), "{email}");
        }
        for email in ["", "a", "a@", "a@b", "a@b.", "@b.c", "a@.c", "a@b@c.d", "a b@c.d", "a@b_c.d", "a@b.c_d", "ä@b.c", "a@b.c "]
        {
            assert!(!is_address(email.as_bytes()), "{email}");
        }
    }
}
