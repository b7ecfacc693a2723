//! Texts that try to become part of a page, and how to see that one has.

/// Texts that would become elements, run or load something if a page took them for markup. Whatever they make is marked `owned`.
pub const HOSTILE: [&str; 6] = [
    r#"<img src="/owned" onerror="owned=1" class="owned">"#,
    r#"<script class="owned">owned=1</script>"#,
    r#""><svg class="owned" onload="owned=1"></svg><input value=""#,
    r#"<iframe class="owned" srcdoc="<script>parent.owned=1</script>"></iframe>"#,
    r#"<a class="owned" href="javascript:owned=1">here</a>"#,
    r#"</ol></table><style class="owned">* { background: url(/owned) }</style>${owned=1}{{owned=1}}"#,
];

/// What a page that took a text for markup shows of it: nothing, unless it did.
pub(crate) const FIND_OWNED: &str = r#"
    const marked = [...document.querySelectorAll(".owned, [onerror], [onload], [srcdoc], [href^='javascript']")];
    return [...marked.map((element) => element.outerHTML), ...("owned" in window ? ["a script ran"] : [])];
"#;
