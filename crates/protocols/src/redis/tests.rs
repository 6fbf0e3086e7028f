//! Dialogues, written by hand.

use super::REDIS;
use crate::dialogue::Dialogue;
use crate::{Ends, Side};

const GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$7\r\nuser:17\r\n";

#[test]
fn commands_and_replies() {
    let mut dialogue = Dialogue::new(&REDIS);
    dialogue.client(GET).server(b"$5\r\nhello\r\n");
    dialogue.client(b"*3\r\n$4\r\nLPOP\r\n$1\r\na\r\n$1\r\n2\r\n");
    dialogue.server(b"-WRONGTYPE Operation against a key\r\n");
    dialogue.client(b"PING\r\n").server(b"+PONG\r\n");
    let lines = [
        "> GET user:{id} 26",
        "< OK 11",
        "> LPOP a 28",
        "< WRONGTYPE (Operation against a key) 36",
        "> PING  6",
        "< OK 7",
    ];
    assert_eq!(dialogue.lines, lines);
}

#[test]
fn a_pipeline_of_sixteen() {
    let mut dialogue = Dialogue::new(&REDIS);
    dialogue.client(&GET.repeat(16)).server(&b"$-1\r\n".repeat(16));
    assert_eq!(dialogue.lines[..16], ["> GET user:{id} 26"; 16]);
    assert_eq!(dialogue.lines[16..], ["< OK 5"; 16]);
}

#[test]
fn what_is_long_is_passed_over() {
    let mut dialogue = Dialogue::new(&REDIS);
    let head = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1000000\r\nabc";
    dialogue.says(Side::Client, head, Ends::Hole(999_999));
    dialogue.says(Side::Server, b"+OK\r\n", Ends::Open);
    assert_eq!(dialogue.lines, ["> SET k 1000032", "< OK 5"]);
    // A list whose elements come one by one, some of them unseen.
    dialogue.client(b"*4\r\n$6\r\nLRANGE\r\n$1\r\nl\r\n$1\r\n0\r\n$2\r\n-1\r\n");
    dialogue.says(Side::Server, b"*3\r\n$100000\r\nabc", Ends::Hole(99_999));
    dialogue.server(b"$1\r\nx\r\n").server(b":17\r\n");
    assert_eq!(dialogue.lines[3], "< OK 100027");
}

#[test]
fn subscriptions_and_pushes() {
    let mut dialogue = Dialogue::new(&REDIS);
    dialogue.client(b"*3\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n$1\r\nb\r\n");
    dialogue.server(
        b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n",
    );
    dialogue.server(b"*3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n");
    dialogue.server(b">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n");
    let lines = ["> SUBSCRIBE a 33", "< OK 30", "< OK message a 32", "< OK invalidate  32"];
    assert_eq!(dialogue.lines, lines);
}

#[test]
fn subscriptions_in_resp3() {
    let mut dialogue = Dialogue::new(&REDIS);
    dialogue.client(b"*2\r\n$9\r\nSUBSCRIBE\r\n$1\r\na\r\n");
    for byte in
        b">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n>3\r\n$7\r\nmessage\r\n$1\r\na\r\n$2\r\nhi\r\n"
    {
        dialogue.server(&[*byte]);
    }
    assert_eq!(dialogue.lines, ["> SUBSCRIBE a 26", "< OK 30", "< OK message a 32"]);
}

#[test]
fn commands_that_are_not_answered() {
    let mut dialogue = Dialogue::new(&REDIS);
    dialogue.client(b"client reply skip\r\nSET a 1\r\nGET b\r\n").server(b"$-1\r\n");
    assert_eq!(dialogue.lines[2..], ["> GET b 7", "< OK 5"]);
}

#[test]
fn secrets_are_not_kept() {
    let mut dialogue = Dialogue::new(&REDIS);
    dialogue.client(b"*3\r\n$4\r\nAUTH\r\n$2\r\njo\r\n$6\r\nhunter\r\n");
    dialogue.server(b"-ERR unknown command 'x', with args beginning with: 'hunter'\r\n");
    assert!(dialogue.lines.iter().all(|line| !line.contains("hunter")), "{:?}", dialogue.lines);
}

#[test]
fn it_goes_on_at_the_next_command() {
    let mut dialogue = Dialogue::new(&REDIS);
    dialogue.client(b"\x01*..tail\r\n").client(GET);
    assert_eq!(dialogue.lines[1..], ["> GET user:{id} 26"]);
    dialogue.server(b"ail of a value\r\n").server(b":1\r\n");
    assert_eq!(dialogue.lines[3..], ["< OK 4"]);
}
