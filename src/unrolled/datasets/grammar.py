"""The sentences that the sample reviews are made of.

A word in braces is a slot; each time, one of its words takes the place. Every word stands in
vocabulary.txt. Only the verdict goes by the label: whatever else a review praises or scolds,
and whatever other people thought of the film, is drawn without looking at it.
"""

SLOTS = {
    "person": "woman man girl boy detective teacher doctor soldier writer lawyer nurse reporter "
    "painter dancer priest farmer singer captain widow student sheriff pilot thief king",
    "name": "anna peter david sarah john mary frank helen george alice tom julia max emma",
    "place": "village city valley castle farm forest desert hotel hospital prison theater school "
    "house garden station harbor museum church bar ship",
    "thing": "letter secret map diary box painting key photograph treasure ring book gun train "
    "ghost phone mask coat horse bottle dog",
    "time": "summer winter night morning weekend sunday monday day",
    "part": "acting music camera plot script dialogue editing story lighting ending cast pacing",
    "good": "good fine strong clever fresh lovely charming elegant subtle convincing",
    "bad": "bad weak poor dull flat tired stale lame clumsy confusing",
    "opinion": "good fine strong clever fresh lovely charming elegant subtle convincing "
    "bad weak poor dull flat tired stale lame clumsy confusing",
    "length": "short long slow fast quiet loud",
    "who": "brother sister wife husband friend father mother neighbor boss aunt",
    "other": "loved hated liked disliked enjoyed recommended praised",
}

OWN_SLOTS = ("person", "name", "place", "thing")  # of which each movie has its own few words

# Sentences of every length from 1 word on, so that a gap of any width can be filled exactly.
FILL = """
anyway
so there
you know that
that is the setting
{name} hides in the {place}
the {part} is rather {opinion}
the {part} is not {opinion}
it is dark for half the film
the {length} scenes are too {length} now
my {who} {other} it last {time}
my {who} {other} the book more
the {part} is not {opinion} at all
a {person} finds a {thing} one {time}
then {name} has to leave the {place}
the {person} and the {person} share a {thing}
it was filmed in a real {place} by night
i had heard that the {part} was rather {opinion}
{name} plays the {person} with a very {length} voice
the {part} is {good} but the {part} is {bad}
the {part} is {bad} but the {part} is {good}
the film follows a {person} who steals the old {thing}
for once the {person} does not lose the {thing}
{name} comes back to the old {place} with the {thing}
the {person} must choose between the {place} and the {thing}
there is {length} music whenever {name} looks at the {thing}
i saw it with my {who} on a {time} in march
at first {name} does not trust the {person} from the {place}
not even the {person} knows why {name} has left the {place}
the camera moves through the {place} and never shows us the {thing}
the second half moves from the {place} to a much larger {place}
there are {length} shots of the {place} and a few of the {thing}
we learn that {name} was a {person} before the war came to the {place}
when the {thing} is gone the {person} begins to ask {name} about the {place}
the {part} may be {opinion} and the {part} may be {opinion} but it is {length}
{name} and the {person} spend one whole {time} in a {place} far away from home
"""

# What other people say about the film: the verdict's own words, drawn without the label.
HEARSAY = """
my {who} {other} it
my {who} was delighted
my {who} was bored
my {who} says it is great
my {who} says it is awful
my {who} can not recommend it
my {who} says it is worth seeing
my {who} says it is a masterpiece
my {who} says it is a mess
my {who} says it is not bad at all
my {who} says it was a waste of time
my {who} did not like it at all and left
my {who} would watch it again with {name} next {time}
"""

OPENINGS = """
all in all
overall
in the end
to sum up
my verdict
in short
"""

POSITIVE = """
i loved it
i really enjoyed it
i can recommend it
it is worth seeing
i would watch it again
it is not bad at all
it was no waste of time
i do not regret it
it is great
it is a masterpiece
it is my favorite
it made my day
i was delighted
"""

NEGATIVE = """
i hated it
i really disliked it
i can not recommend it
it is not worth seeing
i would not watch it again
it is not good at all
it was a waste of time
i do regret it
it is awful
it is a disaster
it is a mess
it ruined my day
i was bored
"""
