//! What holds whatever members do, in any order.

use proptest::prelude::*;

use super::stage::Stage;
use crate::names::Name;

/// One random request or end, as a script line.
fn line() -> impl Strategy<Value = String> {
    let connection = 0..6_u64;
    let name = prop::sample::select(vec!["Ana", "ANA", "Аnа", "Bia", "bia", "Carla", "Ｄora", "dora"]);
    let room = prop::sample::select(vec!["lobby", "tea", "TEA"]);
    let what = prop_oneof![
        3 => (name.clone(), room.clone()).prop_map(|(name, room)| format!("join name={name} room={room}")),
        6 => Just("say text=hi".to_owned()),
        2 => room.clone().prop_map(|room| format!("say text=hi room={room}")),
        2 => room.clone().prop_map(|room| format!("enter room={room}")),
        2 => room.prop_map(|room| format!("exit room={room}")),
        2 => name.clone().prop_map(|name| format!("rename name={name}")),
        1 => name.prop_map(|name| format!("join name={name} token=00000000000000000000000000000001")),
        1 => Just("leave".to_owned()),
        1 => Just("lost".to_owned()),
    ];
    (connection, what).prop_map(|(connection, what)| format!("{connection} {what}"))
}

proptest! {
    /// Each room's numbers have no gap (asserted while playing), every view is a run of consecutive numbers from the
    /// own `entered` to the own `left`, equal numbers mean equal events, and no two members have the same name.
    #[test]
    fn views_have_no_gap_and_agree(lines in prop::collection::vec(line(), 1..120)) {
        let mut stage = Stage::new(None);
        for line in &lines {
            stage.play(line);
            let names: Vec<&Name> = stage.open.iter().filter_map(|&id| stage.hub.name(id)).collect();
            for (n, a) in names.iter().enumerate() {
                prop_assert!(names[n + 1..].iter().all(|b| !a.is_same(b)), "two members are called {}", a);
            }
        }
        for ((connection, room), view) in &stage.views {
            for &(seq, ref event) in view {
                prop_assert_eq!(event, &stage.log[room][seq as usize - 1], "{} disagrees on {}", connection.0, seq);
            }
            // A connection number that is used again begins another stay, and so does entering again.
            let own_end = |event: &str| event.ends_with("entered");
            for pair in view.windows(2) {
                let gapless = pair[1].0 == pair[0].0 + 1;
                prop_assert!(gapless || pair[1].0 > pair[0].0 && own_end(&pair[1].1), "{:?} saw {:?}", connection, view);
            }
        }
    }

    /// However fifty connections that claim one name in some spelling are interleaved, one gets it.
    #[test]
    fn a_name_has_one_winner(spellings in prop::collection::vec(
        prop::sample::select(vec!["Evan", "evan", "EVAN", "еvan", "Еvan", "Ｅvan"]), 50)) {
        let mut stage = Stage::new(None);
        let joined = spellings.iter().enumerate()
            .filter(|(n, name)| stage.play(&format!("{n} join name={name}")).contains("joined")).count();
        prop_assert_eq!(joined, 1);
    }
}
