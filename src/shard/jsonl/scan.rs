//! JSON text (RFC 8259) as a flat list of nodes that point into it. It takes what serde_json takes, with two exceptions:
//! numbers beyond the range of a float are numbers, and there are limits on nodes and digits.

use super::number::MOST_DIGITS;

/// Arrays and objects inside one another.
const DEPTH: u32 = 127;

/// Nodes of one line: each takes memory, however short it is in the text.
const MOST_NODES: usize = 1 << 21;

/// A value, or the key of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// What it is.
    pub kind: Kind,
    /// For texts and numbers, where they begin; for arrays and objects, how many values or pairs they have.
    pub start: u32,
    /// Where they end; for arrays and objects, the number of the node that follows what is in them.
    pub end: u32,
}

/// What a node is. The nodes of an array's values follow it; those of an object's pairs, each key before its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "they are what they are called")]
pub enum Kind {
    Null,
    False,
    True,
    /// A number without fraction and exponent.
    Integer,
    Float,
    /// A text that stands in the line as it is.
    Plain,
    /// A text that had to be unescaped: it stands in [`Tape::made`].
    Made,
    Array,
    Object,
}

/// Why a line is no JSON, and the byte of it where that showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Byte of the line.
    pub at: usize,
    /// What is wrong, to stand after a colon.
    pub why: &'static str,
}

/// The nodes of one line. It is used again for the next, so that no line needs memory of its own.
#[derive(Debug, Default)]
pub struct Tape {
    /// The value's node is the first.
    pub nodes: Vec<Node>,
    /// Texts without their escapes.
    pub made: String,
}

impl Tape {
    /// Reads one value with nothing but white space around it. Lines are shorter than 4 GiB.
    ///
    /// # Errors
    /// Says where it is no JSON, and why.
    pub fn scan(&mut self, line: &str) -> Result<(), Broken> {
        self.nodes.clear();
        self.made.clear();
        let mut scanner = Scanner { line, bytes: line.as_bytes(), at: 0, tape: self };
        scanner.space();
        scanner.value(DEPTH)?;
        scanner.space();
        if scanner.at < scanner.bytes.len() {
            return scanner.broken("something follows the value");
        }
        Ok(())
    }

    /// The text of a node that is one.
    pub fn text<'t>(&'t self, node: Node, line: &'t str) -> &'t str {
        let range = node.start as usize..node.end as usize;
        let text = if node.kind == Kind::Made { self.made.get(range) } else { line.get(range) };
        text.unwrap_or_default()
    }

    /// The number of the node that follows this value.
    pub fn after(&self, at: usize) -> usize {
        match self.nodes.get(at) {
            Some(Node { kind: Kind::Array | Kind::Object, end, .. }) => *end as usize,
            _ => at + 1,
        }
    }
}

struct Scanner<'a> {
    line: &'a str,
    bytes: &'a [u8],
    at: usize,
    tape: &'a mut Tape,
}

type Scan<T = ()> = Result<T, Broken>;

impl Scanner<'_> {
    fn value(&mut self, depth: u32) -> Scan {
        match self.peek() {
            Some(b'"') => self.text(),
            Some(b'{') => self.container(depth, Kind::Object, b'}'),
            Some(b'[') => self.container(depth, Kind::Array, b']'),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Kind::True),
            Some(b'f') => self.word("false", Kind::False),
            Some(b'n') => self.word("null", Kind::Null),
            Some(_) => self.broken("no value begins so"),
            None => self.broken("it ends where a value should stand"),
        }
    }

    fn container(&mut self, depth: u32, kind: Kind, close: u8) -> Scan {
        let Some(depth) = depth.checked_sub(1) else {
            return self.broken("it is nested deeper than 127 levels");
        };
        let node = self.tape.nodes.len();
        self.push(kind, 0, 0)?;
        self.at += 1;
        self.space();
        let mut count = 0;
        if self.peek() == Some(close) {
            self.at += 1;
        } else {
            loop {
                if kind == Kind::Object {
                    if self.peek() != Some(b'"') {
                        return self.broken("a key should stand here");
                    }
                    self.text()?;
                    self.space();
                    if self.peek() != Some(b':') {
                        return self.broken("a colon should stand here");
                    }
                    self.at += 1;
                    self.space();
                }
                self.value(depth)?;
                count += 1;
                self.space();
                match self.peek() {
                    Some(b',') => self.at += 1,
                    Some(byte) if byte == close => {
                        self.at += 1;
                        break;
                    }
                    Some(_) => return self.broken("a comma or the end of the list should stand here"),
                    None => return self.broken("it ends within a list"),
                }
                self.space();
            }
        }
        let end = self.tape.nodes.len() as u32;
        if let Some(node) = self.tape.nodes.get_mut(node) {
            (node.start, node.end) = (count, end);
        }
        Ok(())
    }

    fn text(&mut self) -> Scan {
        self.at += 1;
        let (start, made) = (self.at, self.tape.made.len());
        let mut from = start;
        let mut kind = Kind::Plain;
        loop {
            self.at += plain(&self.bytes[self.at..]);
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    kind = Kind::Made;
                    self.tape.made.push_str(&self.line[from..self.at]);
                    self.at += 1;
                    let c = self.escape()?;
                    self.tape.made.push(c);
                    from = self.at;
                }
                Some(_) => return self.broken("a control character stands in a text"),
                None => return self.broken("it ends within a text"),
            }
        }
        let end = self.at;
        self.at += 1;
        if kind == Kind::Plain {
            return self.push(kind, start, end);
        }
        self.tape.made.push_str(&self.line[from..end]);
        self.push(kind, made, self.tape.made.len())
    }

    fn escape(&mut self) -> Scan<char> {
        let c = match self.peek() {
            Some(c @ (b'"' | b'\\' | b'/')) => char::from(c),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.code_point(),
            _ => return self.broken("an unknown escape"),
        };
        self.at += 1;
        Ok(c)
    }

    fn code_point(&mut self) -> Scan<char> {
        let first = self.unit()?;
        if let Some(c) = char::from_u32(first) {
            return Ok(c);
        }
        let lone = "half of a surrogate pair stands alone";
        if first > 0xdbff || !self.bytes[self.at..].starts_with(b"\\u") {
            return self.broken(lone);
        }
        self.at += 1;
        match self.unit()? {
            second @ 0xdc00..=0xdfff => {
                let c = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                // Each pair is a character.
                Ok(char::from_u32(c).unwrap_or(char::REPLACEMENT_CHARACTER))
            }
            _ => self.broken(lone),
        }
    }

    /// Four hexadecimal digits after a `u`.
    fn unit(&mut self) -> Scan<u32> {
        self.at += 1;
        let mut unit = 0;
        for _ in 0..4 {
            let Some(digit) = self.peek().and_then(|byte| char::from(byte).to_digit(16)) else {
                return self.broken("four hexadecimal digits should stand here");
            };
            unit = unit << 4 | digit;
            self.at += 1;
        }
        Ok(unit)
    }

    fn number(&mut self) -> Scan {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let first = self.peek();
        let digits = self.digits()?;
        if first == Some(b'0') && digits > 1 {
            return self.broken("a number begins with 0");
        }
        let mut kind = Kind::Integer;
        if self.peek() == Some(b'.') {
            kind = Kind::Float;
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            kind = Kind::Float;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        if kind == Kind::Integer && digits > MOST_DIGITS {
            return self.broken("an integer is over the limit of 16,384 digits");
        }
        self.push(kind, start, self.at)
    }

    fn digits(&mut self) -> Scan<usize> {
        let digits = self.bytes[self.at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return self.broken("a digit should stand here");
        }
        self.at += digits;
        Ok(digits)
    }

    fn word(&mut self, word: &'static str, kind: Kind) -> Scan {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return self.broken("no value begins so");
        }
        self.at += word.len();
        self.push(kind, 0, 0)
    }

    fn push(&mut self, kind: Kind, start: usize, end: usize) -> Scan {
        if self.tape.nodes.len() >= MOST_NODES {
            return self.broken("it is over the limit of 2,097,152 keys and values");
        }
        self.tape.nodes.push(Node { kind, start: start as u32, end: end as u32 });
        Ok(())
    }

    fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn broken<T>(&self, why: &'static str) -> Scan<T> {
        Err(Broken { at: self.at, why })
    }
}

/// How many bytes stand before the first that is a quote, a backslash or a control character.
fn plain(bytes: &[u8]) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let mut at = 0;
    // Eight at once: a zero byte is where a subtraction borrows, and the lowest that shows is a true one.
    while let Some(eight) = bytes[at..].first_chunk::<8>() {
        let word = u64::from_le_bytes(*eight);
        let (quote, slash) = (word ^ (0x22 * ONES), word ^ (0x5c * ONES));
        let found = (quote.wrapping_sub(ONES) & !quote)
            | (slash.wrapping_sub(ONES) & !slash)
            | (word.wrapping_sub(0x20 * ONES) & !word);
        let found = found & HIGH;
        if found != 0 {
            return at + found.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    bytes[at..].iter().position(is_special).map_or(bytes.len(), |n| at + n)
}
