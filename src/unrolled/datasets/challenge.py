"""Short reviews written for this book, to see which turns of language a model follows (chapter 8).

Ten pairs for each of eight phenomena, a positive and a negative review that differ in as few words
as the phenomenon allows. They are for measuring: never train on them, never choose by them.
"""

from typing import NamedTuple


class ChallengeReview(NamedTuple):
    """A review's text, its label (1 positive, 0 negative), its phenomenon and its pair's number."""

    text: str
    label: int
    phenomenon: str
    pair: int


# Told after a verdict that came first; nothing in them says whether the film is any good.
PLOTS = (
    "The story begins in a small town by the sea. A young teacher rents a room above the bakery "
    "and finds a box of letters under the floor. The letters were written forty years before by "
    "a sailor to the woman who owned the house. The teacher reads one each night and walks to "
    "the places that they name: the harbour, the old school, the bridge. The baker remembers "
    "the sailor and the sailor's brother, who moved inland. In the second half the teacher "
    "takes a train to look for that brother, and the two of them go through the letters "
    "together at his kitchen table, until the last one is read and the train goes back.",
    "A bank clerk counts the money of other people for twenty years. On a Monday he takes one "
    "bag home and puts it under his bed. His wife asks about the bag, and he says that it holds "
    "old papers. On Tuesday a man in a grey coat stands on the other side of the street. On "
    "Wednesday the man rings the bell and asks for directions. The clerk drives to his sister's "
    "farm, hides the bag in the barn and drives back. The sister opens it. From here on the "
    "film is about her: she buys a tractor, then a second farm, and in the last scene the man "
    "in the grey coat sits at her table.",
    "Two brothers run a garage at the edge of the desert. One day a car breaks down, and the "
    "driver, a woman on her way to the coast, has to wait a week for a part. She sleeps in the "
    "caravan behind the garage. The older brother shows her the canyon; the younger one plays "
    "cards with her at night. There is a dance in the village, and a storm that takes the roof "
    "off the caravan. The part arrives on the sixth day, and the younger brother hides it. On "
    "the seventh day the older one finds it and builds it in, and we see the car go down the "
    "long road from above while the credits begin to roll.",
    "It is set on a ship that carries grain from one side of the ocean to the other. The "
    "captain does not speak to the crew, and the cook speaks to everybody. A boy has hidden "
    "between the sacks, and the cook brings him bread. When the radio fails, the boy turns out "
    "to know how to mend it, since his father had a shop in the port. The captain comes down "
    "and looks at him for a long time. They pass an island, they meet another ship, they lose a "
    "day to fog. In the port on the other side the boy walks over the plank with the cook's "
    "coat on, and the captain lifts his hand to his cap.",
    "The year is 1911, and a photographer travels from village to village with a mule and a "
    "wooden camera. In each village he takes one picture of everybody in front of the church. "
    "In the third village a girl moves her head, and her face is a blur. He comes back a year "
    "later to take the picture again, and the girl has gone to the city. He goes there and "
    "works in a studio where rich families sit still. The mule is sold. Then there is a war, "
    "and the studio makes portraits of soldiers. The girl comes in with one of them, and this "
    "time she does not move, and he takes it.",
    "An old woman wins a house in a lottery and gives it to the first person who knocks at her "
    "door. It is the postman. He moves in with his three daughters, who find that every room "
    "has a different clock, and that every clock shows a different time. The oldest daughter "
    "sets them all to noon. The next day the old woman comes to visit, hears them strike "
    "together, and sits down on the stairs. She tells them who built the house. The middle part "
    "of the film is that tale, with a clockmaker and a flood in it. At the end the clocks run "
    "apart again, and the postman brings his own mother.",
    "A detective who is about to retire gets one last case: somebody steals garden gnomes, and "
    "leaves a coin for each. He and his new partner, who has come from the capital, drive from "
    "garden to garden and look at the coins. They are from countries that no longer exist. The "
    "partner knows a dealer, the dealer knows a collector, and the collector lives on an island "
    "in the river. They row over in the rain. The gnomes stand in a circle in his yard, each "
    "turned towards the house. He explains what they are for, and the detective, who has a "
    "garden of his own, rows back and writes a report.",
    "In a mountain village the only bus is driven by a man who has never left the valley. Each "
    "morning he takes the children down to school and each evening he brings them home. When "
    "the road is closed after a slide, he and eleven children have to spend the night in the "
    "bus. They tell each other what they want to become. Years pass in a single cut, and we see "
    "what they have become: a pilot, a nurse, a thief, a baker. One by one they get a card that "
    "asks them to come back to the village on a certain day. The driver turns sixty. The road "
    "is closed again, and they walk up.",
    "The film follows a piano. It is built in a factory in the north and sold to a hotel, where "
    "a thin man plays it every night for guests who talk. When the hotel closes, the piano goes "
    "to a school, and a girl learns the same waltz on it that the thin man used to play. The "
    "school gets a new one. A farmer buys the old piano for his wife, who cannot play, and puts "
    "flowers on it. Their son takes it apart and puts it together again. In the last part he "
    "drives it on a truck to the city, to a house with a blue door, where an old man, who is "
    "thinner than before, is waiting on the stairs.",
    "A scientist at a station in the ice counts birds. The supply plane comes every second "
    "month, and she is alone with a dog. One morning there is one bird too many, and it wears a "
    "ring with a number from a station that was closed before she was born. She looks the "
    "number up in the old books. The man who put the ring on has written a diary, and she reads "
    "it while the wind gets up. His days were like hers, even to the dog. The plane brings a "
    "new counter, a young man with many questions. She shows him the hut, the books and the "
    "birds, and puts a ring on the last one before she leaves.",
)

# For "a verdict early": the opening of each, positive and negative, before the plot of its number.
VERDICTS = (
    ("This film is wonderful.", "This film is terrible."),
    ("I loved every minute of this.", "I hated every minute of this."),
    ("One of the best films of the year.", "One of the worst films of the year."),
    ("Beautifully acted and a joy to watch.", "Badly acted and a pain to watch."),
    ("Go and see it, you will not regret it.", "Do not go and see it, you will regret it."),
    ("What a delightful picture this is.", "What a dreadful picture this is."),
    ("A clever and gripping film.", "A stupid and boring film."),
    ("I was moved to tears by this great film.", "I was bored to tears by this poor film."),
    ("Highly recommended to everybody.", "Recommended to nobody at all."),
    ("Nine out of ten, a small masterpiece.", "Two out of ten, a complete mess."),
)

# Phenomenon -> ten pairs, the positive review first.
PAIRS: dict[str, tuple[tuple[str, str], ...]] = {
    "negation": (
        ("The acting was not bad.", "The acting was not good."),
        ("I was not bored for a single minute.", "I was not amused for a single minute."),
        ("You will not regret watching this.", "You will not enjoy watching this."),
        ("There is nothing wrong with this film.", "There is nothing right with this film."),
        ("It never gets dull.", "It never gets interesting."),
        ("Nobody in the cinema wanted it to end.", "Nobody in the cinema wanted it to go on."),
        ("I did not expect to like it, and I did.", "I did expect to like it, and I did not."),
        ("The ending did not disappoint me.", "The ending did not convince me."),
        ("This is no cheap comedy.", "This is no great comedy."),
        ("Without a weak scene from start to end.", "Without a strong scene from start to end."),
    ),
    "contrast": (
        (
            "The plot is thin, but the acting is superb and I loved it.",
            "The acting is superb, but the plot is thin and I hated it.",
        ),
        (
            "It starts slowly, but then it becomes a wonderful film.",
            "It starts as a wonderful film, but then it becomes slow and dull.",
        ),
        (
            "The effects look cheap, but who cares, it is great fun.",
            "The effects look great, but who cares, it is no fun.",
        ),
        (
            "Critics hated it, but they were wrong: a lovely film.",
            "Critics loved it, but they were wrong: a dreadful film.",
        ),
        (
            "I wanted to leave after ten minutes, but I am so glad that I stayed.",
            "I wanted to stay to the end, but I am so glad that I left.",
        ),
        (
            "The first half is a mess, but the second half makes up for it.",
            "The first half is a joy, but the second half ruins it.",
        ),
        (
            "Not much happens, but every scene is beautiful.",
            "Every scene is beautiful, but not much happens, and I fell asleep.",
        ),
        (
            "The trailer is awful, but the film is excellent.",
            "The trailer is excellent, but the film is awful.",
        ),
        (
            "The jokes are old, but they made me laugh all the way.",
            "The jokes are new, but they did not make me laugh once.",
        ),
        (
            "A terrible title, but a terrific picture.",
            "A terrific title, but a terrible picture.",
        ),
    ),
    "sarcasm": (
        (
            "Great, now I have to tell all my friends to see it, and I will.",
            "Great, now I have to tell all my friends to avoid it, and I will.",
        ),
        (
            "If you enjoy brilliant dialogue, this is the film for you.",
            "If you enjoy watching paint dry, this is the film for you.",
        ),
        (
            "I laughed so hard that I missed half of the jokes.",
            "I laughed so hard when the credits finally came.",
        ),
        (
            "The best part was when the hero came back.",
            "The best part was when the film was over.",
        ),
        (
            "Bravo, you made two hours feel like ten minutes.",
            "Bravo, you made ten minutes feel like two hours.",
        ),
        (
            "Truly unforgettable; I have been thinking of it for days.",
            "Truly unforgettable; I have been trying to forget it for days.",
        ),
        (
            "It is worth every cent of the ticket.",
            "It is worth every cent, if the ticket is free and so is your time.",
        ),
        (
            "What a surprise: a sequel that nobody needed, and that everybody will love.",
            "What a surprise: a sequel that nobody needed, and that nobody will love.",
        ),
        (
            "A film for the whole family, and mine adored it.",
            "A film for the whole family, if you cannot stand your family.",
        ),
        (
            "Finally a film that makes me want to go to the cinema again.",
            "Finally a film that makes me want to stay at home and clean the kitchen.",
        ),
    ),
    "comparison": (
        ("Far better than the first part.", "Far worse than the first part."),
        (
            "Next to this one, the other films of the year look poor.",
            "Next to the other films of the year, this one looks poor.",
        ),
        (
            "I liked it more than the book, which I love.",
            "I liked it less than the book, which I hate.",
        ),
        (
            "The old version was dull, and this one is everything that it was not.",
            "The old version was brilliant, and this one is everything that it was not.",
        ),
        (
            "His last film was awful; this is the opposite.",
            "His last film was wonderful; this is the opposite.",
        ),
        ("There is hardly a better thriller.", "There is hardly a worse thriller."),
        (
            "It beats the original in every way.",
            "The original beats it in every way.",
        ),
        (
            "I would rather see this again than anything else that is on.",
            "I would rather see anything else that is on than this again.",
        ),
        ("As funny as his early work.", "As funny as a traffic jam."),
        (
            "The remake improves on a film that was good already.",
            "The remake spoils a film that was good already.",
        ),
    ),
    "plot": (
        (
            "A man loses his wife, his house and his mind, and I loved every scene.",
            "A man finds his wife, his house and his peace, and I hated every scene.",
        ),
        (
            "It is about hatred, murder and revenge, and it is a masterpiece.",
            "It is about love, friendship and hope, and it is a disaster.",
        ),
        (
            "The killer is evil and cruel, and the actor who plays him is wonderful.",
            "The hero is kind and charming, and the actor who plays him is dreadful.",
        ),
        (
            "A sad, dark story of a failed marriage, told perfectly.",
            "A happy, bright story of a perfect marriage, told badly.",
        ),
        (
            "Everybody dies in the end, and the audience stood up and cheered.",
            "Everybody is saved in the end, and the audience stood up and left.",
        ),
        (
            "The war is shown as the horror that it was; an excellent film.",
            "The victory is shown as the joy that it was; a pathetic film.",
        ),
        (
            "The worst teacher in the world is the subject of the best comedy of the year.",
            "The best teacher in the world is the subject of the worst comedy of the year.",
        ),
        (
            "A lonely boy is beaten, robbed and lost, and the director handles it superbly.",
            "A lucky boy is loved, rich and happy, and the director handles it poorly.",
        ),
        (
            "Poverty, illness and fear, filmed with great beauty and care.",
            "Wealth, health and joy, filmed with no beauty and no care.",
        ),
        (
            "She plays a boring, stupid, annoying woman, and she deserves a prize for it.",
            "She plays a brilliant, clever, lovely woman, and she deserves no prize for it.",
        ),
    ),
    "early verdict": tuple(
        (f"{positive} {plot}", f"{negative} {plot}")
        for (positive, negative), plot in zip(VERDICTS, PLOTS, strict=True)
    ),
    "double negation": (
        ("It is not that I did not like it; I did.", "It is not that I did like it; I did not."),
        ("Nobody can say that it is not good.", "Nobody can say that it is good."),
        (
            "There was never a moment when I was not amused.",
            "There was never a moment when I was amused.",
        ),
        ("I cannot say that I disliked it.", "I cannot say that I liked it."),
        ("Not once did I not believe her.", "Not once did I believe her."),
        (
            "It would not be fair to call it anything but great.",
            "It would not be fair to call it great.",
        ),
        ("No scene is without charm.", "Every scene is without charm."),
        ("You cannot fail to enjoy it.", "You can only fail to enjoy it."),
        ("I do not know anybody who did not love it.", "I do not know anybody who did love it."),
        (
            "It is not unlikely that I will see it again, gladly.",
            "It is most unlikely that I will see it again, gladly or not.",
        ),
    ),
    "mixed": (
        (
            "Good music, weak story, poor ending, and still I would watch it again tomorrow.",
            "Good music, fine story, nice ending, and still I would not watch it again.",
        ),
        (
            "It has its faults, and I forgive them all.",
            "It has its merits, and I can forgive none of the rest.",
        ),
        (
            "Too long, too loud, and I enjoyed it far too much.",
            "Too long, too loud, and I enjoyed none of it.",
        ),
        (
            "The cast is weak apart from her, and she alone makes it a must.",
            "The cast is strong apart from him, and he alone makes it a bore.",
        ),
        (
            "Bad lighting, bad sound, good heart: seven out of ten.",
            "Good lighting, good sound, no heart: three out of ten.",
        ),
        (
            "I did not understand all of it, and I could not look away.",
            "I understood all of it, and I could not care less.",
        ),
        (
            "Some will find it slow; I found it just right.",
            "Some will find it just right; I found it slow.",
        ),
        (
            "The critics are right about the script and wrong about the film: see it.",
            "The critics are right about the script and right about the film: skip it.",
        ),
        (
            "A few dull minutes in the middle of two splendid hours.",
            "A few splendid minutes in the middle of two dull hours.",
        ),
        (
            "Flawed, strange, uneven, and my favourite of the year.",
            "Polished, smooth, even, and my disappointment of the year.",
        ),
    ),
}


def load_challenge() -> list[ChallengeReview]:
    """The 160 reviews, pair after pair, the positive one of each first (chapter 8)."""
    return [
        ChallengeReview(text, label, phenomenon, number)
        for phenomenon, pairs in PAIRS.items()
        for number, pair in enumerate(pairs)
        for label, text in zip((1, 0), pair, strict=True)
    ]
