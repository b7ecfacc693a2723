//! Rooms and what is said in them, from the first join to the shutdown.

use std::num::{NonZeroU32, NonZeroUsize};

use super::stage::{Stage, check, check_with};
use crate::hub::FloodLimit;
use crate::limits::ROOMS_PER_MEMBER_MAX;

#[test]
fn the_session_of_bernardo_rodrigo_and_silvio() {
    check(
        "
        > 1 join name=Bernardo
        lobby #1 Bernardo entered ->
        1 <- joined as Bernardo: lobby #1, 1 there
        > 2 join name=Rodrigo
        lobby #2 Rodrigo entered -> 1
        2 <- joined as Rodrigo: lobby #2, 2 there
        > 3 join name=Silvio
        lobby #3 Silvio entered -> 1 2
        3 <- joined as Silvio: lobby #3, 3 there
        > 1 say text='Olá pessoal, me chamo Bernardo'
        lobby #4 Bernardo: Olá pessoal, me chamo Bernardo -> 2 3
        1 <- said: lobby #4
        > 3 leave
        lobby #5 Silvio left (quit) -> 1 2
        3 <- left: lobby #5
        close 3
        > 2 lost
        lobby #6 Rodrigo left (lost) -> 1
        > 1 slow
        lobby #7 Bernardo left (slow) ->
        ",
    );
}

#[test]
fn nothing_is_done_for_who_has_not_joined() {
    check(
        "
        > 1 say text=hi
        1 <- not_joined
        > 1 rooms
        1 <- not_joined
        > 1 leave
        1 <- not_joined
        > 1 lost
        > 2 join name=Ana
        lobby #1 Ana entered ->
        2 <- joined as Ana: lobby #1, 1 there
        > 2 join name=Bia
        2 <- already_joined
        ",
    );
}

#[test]
fn rooms_are_entered_left_and_listed() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 2 join name=Bia room=Tea
        Tea #1 Bia entered ->
        2 <- joined as Bia: Tea #1, 1 there
        > 1 enter room=TEA
        Tea #2 Ana entered -> 2
        1 <- entered: Tea #2, 2 there
        > 1 enter room=tea
        1 <- already_in_room
        > 1 say text='in the last room'
        Tea #3 Ana: in the last room -> 2
        1 <- said: Tea #3
        > 1 say text='in another' room=LOBBY
        lobby #2 Ana: in another ->
        1 <- said: lobby #2
        > 2 say text=hi room=lobby
        2 <- not_in_room
        > 2 say text=hi room=none
        2 <- no_such_room
        > 2 who room=lobby
        2 <- who in lobby: Ana
        > 2 who
        2 <- who in Tea: Ana, Bia
        > 2 who room=none
        2 <- no_such_room
        > 1 exit
        Tea #4 Ana left (quit) -> 2
        1 <- exited: Tea #4
        > 1 exit room=tea
        1 <- not_in_room
        > 1 exit
        lobby #3 Ana left (quit) ->
        1 <- exited: lobby #3
        > 1 exit
        1 <- not_in_room
        > 1 say text=hi
        1 <- not_in_room
        > 1 rooms
        1 <- rooms: Tea 1 #4, lobby 0 #3
        > 1 history room=tea after=1
        1 <- history of Tea Some(1) None 50
        > 2 history before=4 limit=2
        2 <- history of Tea None Some(4) 2
        > 1 history
        1 <- not_in_room
        ",
    );
}

#[test]
fn a_member_can_be_in_so_many_rooms() {
    let mut stage = Stage::new(None);
    stage.play("1 join name=Ana");
    for n in 1..ROOMS_PER_MEMBER_MAX {
        assert!(
            stage.play(&format!("1 enter room=room{n}")).contains("entered"),
            "{n}"
        );
    }
    assert_eq!(stage.play("1 enter room=more"), "1 <- too_many_rooms\n");
}

#[test]
fn the_server_can_have_so_many_rooms() {
    let rooms = 20;
    let mut stage = Stage::with_rooms(NonZeroUsize::new(rooms).unwrap(), None);
    for n in 0..rooms {
        stage.play(&format!("{n} join name=member{n} room=room{n}"));
    }
    assert_eq!(
        stage.play(&format!("{rooms} join name=Ana room=more")),
        format!("{rooms} <- too_many_rooms\n")
    );
    assert!(
        stage
            .play(&format!("{rooms} join name=Ana room=room7"))
            .contains("2 there"),
        "the refusal changed nothing"
    );
}

#[test]
fn private_texts_reach_one_member() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 2 join name=Bia room=tea
        tea #1 Bia entered ->
        2 <- joined as Bia: tea #1, 1 there
        > 1 tell to=BIA text=psst
        2 <- Ana tells: psst
        1 <- told Bia
        > 1 tell to=Carla text=psst
        1 <- no_such_name
        > 1 tell to='' text=psst
        1 <- invalid_name
        ",
    );
}

#[test]
fn who_comes_back_gets_what_it_missed() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 1 say text=one
        lobby #2 Ana: one ->
        1 <- said: lobby #2
        > 2 join name=Bia since=0
        lobby #3 Bia entered -> 1
        2 <- joined as Bia: lobby #3, 2 there
        2 <- replay of lobby 0<..<=2
        > 3 join name=Carla since=3
        lobby #4 Carla entered -> 1 2
        3 <- joined as Carla: lobby #4, 3 there
        > 3 enter room=tea since=99
        tea #1 Carla entered ->
        3 <- entered: tea #1, 1 there
        > 2 enter room=tea since=99
        tea #2 Bia entered -> 3
        2 <- entered: tea #2, 2 there
        2 <- replay of tea 0<..<=1
        ",
    );
}

#[test]
fn a_flood_is_refused_with_a_hint() {
    let limit = FloodLimit {
        rate: NonZeroU32::new(2).unwrap(),
        burst: NonZeroU32::new(2).unwrap(),
    };
    check_with(
        Some(limit),
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 1 say text=one
        lobby #2 Ana: one ->
        1 <- said: lobby #2
        > 1 say text=two
        1 <- rate_limited (wait 500 ms)
        > wait 200
        > 1 leave
        1 <- rate_limited (wait 300 ms)
        > 2 join name=Bia
        lobby #3 Bia entered -> 1
        2 <- joined as Bia: lobby #3, 2 there
        > wait 300
        > 1 say text=three
        lobby #4 Ana: three -> 2
        1 <- said: lobby #4
        ",
    );
}

#[test]
fn a_shutdown_empties_the_rooms_without_telling_each_of_each() {
    check(
        "
        > 1 join name=Ana
        lobby #1 Ana entered ->
        1 <- joined as Ana: lobby #1, 1 there
        > 2 join name=Bia
        lobby #2 Bia entered -> 1
        2 <- joined as Bia: lobby #2, 2 there
        > shutdown
        lobby #3 Ana left (lost) ->
        lobby #4 Bia left (lost) ->
        > 1 lost
        ",
    );
}
