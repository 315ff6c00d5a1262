import type { Random } from "./random.ts";

/**
 * Sentences of everyday chat, made from patterns and word lists written for this purpose. `{slot}` is filled from
 * {@link slots}, from the names, or with a frequent noun or verb of WordNet.
 */

/** Given names common in English-speaking countries, and what nameless speakers are called. */
export const names: readonly string[] =
  `James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan
Joseph Jessica Thomas Sarah Christopher Karen Charles Lisa Daniel Nancy Matthew Betty Anthony Sandra Mark Margaret Donald Ashley Steven Kimberly
Paul Emily Andrew Donna Joshua Michelle Kenneth Carol Kevin Amanda Brian Dorothy George Deborah Edward Stephanie Ronald Rebecca Timothy Laura
Jason Helen Jeffrey Sharon Ryan Cynthia Jacob Kathleen Gary Amy Nicholas Anna Eric Angela Jonathan Ruth Stephen Brenda Larry Pamela Justin Nicole
Scott Katherine Brandon Samantha Benjamin Christine Samuel Emma Gregory Catherine Frank Debra Alexander Virginia Raymond Rachel Patrick Janet Jack
Maria Dennis Heather Jerry Diane Tyler Julie Aaron Joyce Jose Victoria Henry Kelly Adam Christina Douglas Joan Nathan Evelyn Peter Lauren Zachary
Judith Kyle Olivia Walter Frances Harold Martha Jeremy Cheryl Ethan Megan Carl Andrea Keith Hannah Roger Jacqueline Gerald Ann Christian Jean Terry
Alice Sean Kathryn Arthur Gloria Austin Teresa Noah Sophia Lawrence Sara Jesse Janice Joe Julia Bryan Grace Billy Judy Jordan Theresa Albert Rose
Dylan Beverly Bruce Denise Willie Marilyn Gabriel Amber Alan Danielle Juan Brittany Logan Diana Wayne Abigail Ralph Jane Roy Natalie Eugene Lori
Randy Tiffany Vincent Alexis Russell Kayla Louis Bobby Philip Johnny Max Sam Ben Tom Kate Lucy Leo Mia Zoe Ella Ivan Omar Priya Wei Yuki Fatima
Carlos Elena Ahmed Ingrid Sofia Luca`.split(/\s+/);

const slots: Readonly<Record<string, readonly string[]>> = {
  person:
    "my sister|my brother|my mom|my dad|my wife|my husband|my girlfriend|my boyfriend|my best friend|my boss|my neighbor|my roommate|my cousin|my aunt|my grandma|my grandpa|my son|my daughter|my kids|my coworker|my teacher|my doctor|a friend|some friends|an old classmate|my uncle|my niece|my nephew|my partner|my landlord|my team".split(
      "|",
    ),
  doing:
    "hiking|swimming|painting|cooking|baking|running|cycling|dancing|gardening|reading|writing|knitting|fishing|camping|surfing|skiing|climbing|gaming|drawing|singing|yoga|meditating|photography|pottery|volunteering|woodworking|traveling|coding|studying|working out|playing guitar|playing the piano|playing chess|playing soccer|playing tennis|playing basketball|learning Spanish|learning French|learning to drive|watching movies|listening to music|bird watching|journaling|boxing|sewing|sailing|jogging|shopping".split(
      "|",
    ),
  food: "pizza|pasta|sushi|tacos|curry|salad|soup|pancakes|ice cream|chocolate cake|cookies|bread|coffee|tea|espresso|steak|chicken|seafood|shrimp|peanuts|cheese|strawberries|apple pie|ramen|burgers|vegan food|gluten free bread|smoothies|wine|beer|lasagna|muffins|eggs|noodles|dumplings|barbecue".split(
    "|",
  ),
  place:
    "the beach|the park|the gym|the mountains|the museum|the library|the mall|the office|the hospital|the airport|the zoo|the lake|the theater|the farmers market|school|church|Paris|London|Rome|Berlin|Tokyo|New York|Chicago|Boston|Seattle|Canada|Mexico|Spain|Greece|Italy|Japan|India|Thailand|Australia|Brazil|Kenya|Hawaii|California|Texas|Florida|Sweden|Ireland|Portugal|Vietnam|Egypt|Turkey|Lisbon|Madrid|Vienna|Toronto|Vancouver|Denver|Portland|Austin|a national park|a coffee shop|a new restaurant|a concert|a wedding|a conference|the dentist|the vet|a support group|a festival|a workshop|a road trip".split(
      "|",
    ),
  pet: "dog|cat|puppy|kitten|rabbit|hamster|parrot|goldfish|turtle|horse|guinea pig|lizard|snake|bird".split("|"),
  thing:
    "car|house|apartment|bike|laptop|phone|guitar|piano|violin|camera|book|dress|jacket|shoes|couch|bed|table|ring|necklace|painting|plant|game|console|tent|truck|motorcycle|boat|watch|bag|printer|TV|headphones|tablet|oven|fridge|garden|kitchen|backpack|ticket|letter|gift".split(
      "|",
    ),
  job: "nurse|teacher|doctor|lawyer|engineer|software developer|chef|waiter|writer|designer|accountant|artist|musician|actor|mechanic|electrician|plumber|carpenter|driver|pilot|photographer|journalist|manager|counselor|therapist|social worker|scientist|researcher|student|salesperson|firefighter|police officer|dentist|vet|barista|farmer|architect|consultant|coach|librarian".split(
    "|",
  ),
  field:
    "marketing|finance|healthcare|education|biology|history|psychology|art|music|computer science|law|medicine|real estate|hospitality|sales|design|engineering|fashion|journalism|physics|chemistry|politics|nursing|social work|film|architecture".split(
      "|",
    ),
  feeling:
    "happy|sad|excited|nervous|tired|proud|anxious|stressed|grateful|lonely|bored|angry|scared|relieved|surprised|disappointed|overwhelmed|inspired|hopeful|calm|confused|sick|hurt|embarrassed|jealous|motivated|burned out|homesick".split(
      "|",
    ),
  event:
    "birthday|wedding|graduation|anniversary|job interview|exam|surgery|vacation|move|party|concert|race|marathon|tournament|audition|first date|breakup|divorce|funeral|promotion|adoption|pregnancy|holiday|Christmas|Thanksgiving|Halloween|game|performance|art show|meeting|presentation|baby shower|family reunion|camping trip|road trip".split(
      "|",
    ),
  when: "yesterday|today|last night|last week|last month|last year|last summer|last weekend|this morning|two days ago|a few weeks ago|two years ago|on Monday|on Friday|on Saturday|in January|in March|in May|in June|in August|in October|in December|in 2019|in 2021|back in college|when I was a kid|the other day|the week before".split(
    "|",
  ),
  soon: "tomorrow|tonight|next week|next month|next year|next summer|this weekend|soon|on Sunday|in two weeks|in July|in September|after work|later today|for the holidays".split(
    "|",
  ),
  ill: "a cold|the flu|a headache|a fever|back pain|asthma|diabetes|high blood pressure|allergies|a broken leg|a sprained ankle|insomnia|depression|anxiety|a stomach ache|a toothache|migraines|a peanut allergy|a rash|covid".split(
    "|",
  ),
  media: "movie|book|song|album|show|series|podcast|game|novel|documentary|video|article|poem|recipe|blog|magazine|comic|play".split("|"),
  genre:
    "fantasy|science fiction|horror|comedy|romance|mystery|history|jazz|rock|classical|pop|country|hip hop|action|thriller|indie|folk|electronic|metal|blues".split(
      "|",
    ),
  tech: "Python|TypeScript|JavaScript|Rust|Go|Java|React|Docker|Kubernetes|Postgres|Linux|Git|AWS|the API|the database|the server|the website|the app|the backend|the build|the tests|the pipeline|GitHub|VS Code|a bug|the deployment|machine learning|the dashboard|the migration".split(
    "|",
  ),
  wow: "Wow|Oh wow|Haha|Lol|Omg|Yeah|Yep|Nope|Aww|Oh no|Hey|Hi|Hmm|Cool|Nice|Awesome|Great|Sure|Okay|Ok|Thanks|Congrats|Damn|Ugh|Yay|Well|Honestly|Right|Oh|True|Sounds good|No way|Same here|Good luck|Take care|No worries|I know, right".split(
    "|",
  ),
  adj: "great|amazing|beautiful|terrible|hard|fun|difficult|easy|expensive|cheap|huge|tiny|scary|weird|lovely|delicious|awful|peaceful|exhausting|special|important|new|old|favorite|funny|cute|crazy|stressful|wonderful|boring|rewarding|long|cozy|tough".split(
    "|",
  ),
  color: "red|blue|green|yellow|black|white|purple|pink|orange|brown|gray|silver".split("|"),
  number: "two|three|four|five|six|ten|a dozen|20|30|100|a couple of|a few|lots of|so many".split("|"),
};

/** What people say. */
const statements: readonly string[] = `I just got back from {place} and it was so {adj}!
I went {doing} with {person} {when}.
I've been {doing} a lot lately, it helps me relax.
I'm so {feeling} about the {event}!
My {pet} {name} is so {adj}, he loves {food}.
We adopted a {pet} {when} and named her {name}.
I moved to {place} {when} because of work.
I work as a {job} and I {feel} it.
I used to be a {job}, but now I work in {field}.
I'm thinking about going back to school for {field}.
I got the job! I start as a {job} {soon}.
I lost my job as a {job} {when}, so I'm looking for something in {field}.
My favorite food is {food}, I could eat it every day.
I can't eat {food}, I'm allergic.
I don't really like {food}, but {person} loves it.
I made {food} for {person} {when}, it turned out {adj}.
I bought a new {thing} {when}, it's {color}.
I lost my {thing} at {place} {when}.
{person} gave me a {thing} for my birthday.
My {thing} broke down so I had to take it to be fixed.
I have had {ill} since {when}, so I'm staying home.
The doctor said I have {ill}.
{person} has {ill} and I'm really {feeling}.
It's my {event} {soon}, I'm {feeling}.
My birthday is {soon}, we are going to {place}.
We've been married for {number} years.
I have {number} kids and a {pet}.
I finished reading a {genre} {media} {when}, I loved it.
I'm into {genre} these days, what about you?
I've been watching this {genre} {media} with {person}.
My favorite {media} is about a {job} who goes to {place}.
I'm learning {doing2} and it's {adj}.
I signed up for a {doing2} class {when}.
I started {doing} {when} after {person} told me about it.
I'm planning a trip to {place} with {person} {soon}.
We went camping at {place} {when} and saw a {noun}.
I ran a charity race for {noun} {when}.
I painted a {noun} {when}, it made me feel {feeling}.
Working with {tech} all day, I'm {feeling}.
I prefer {tech} over {tech} for this project.
We deploy {tech} with {tech} every Friday.
I fixed {tech} {when}, turns out it was {tech}.
Can you help me with {tech}? It's {adj}.
Please remember that I like {food} and I hate {food}.
I live in {place} with {person} and our {pet}.
I grew up in {place}, but my family comes from {place}.
{name} and I met at {place} {when}.
{name} is getting married {soon}!
{name} told me about the {event}, it sounded {adj}.
{name} bought a {adj} {noun} {when}.
My {noun} means a lot to me, it reminds me of {person}.
I feel {feeling} when I think about the {noun}.
I want to {verb} more, maybe {soon}.
I can't {verb} anymore since {ill}.
I never thought I would {verb} at {place}.
We talked about the {noun} and the {noun} {when}.
The {noun} was {adj}, but the {noun} was {adj}.
I need to buy a {noun} for the {event}.
Last time I tried to {verb}, I got {ill}.
{person} taught me how to {verb}.
I'm saving money for a {thing}.
I got a tattoo of a {noun} {when}.
I play the {instrument} in a band with {person}.
I volunteer at {place} every week.
We had a {event} at {place} with {number} people.
My goal is to become a {job} one day.
I'm {feeling}, {person} and I broke up {when}.
I passed my {field} exam {when}!
My flight to {place} is {soon}.
It's raining again, so no {doing} today.
I took a photo of a {noun} at {place}.
I've known {person} for {number} years.`.split("\n");

/** Short turns, as chats are full of them. */
const bursts: readonly string[] = `{wow}! That's so {adj}.
{wow}, I'm {feeling} for you!
{wow}, how was {place}?
{wow}, that sounds {adj}. What did you do?
{wow}, I totally get it. {doing} is {adj}.
{wow}, me too! I love {food}.
{wow}, tell me more about the {event}.
{wow}, I've never been to {place}.
{wow}, how's {person2} doing?
{wow}, what kind of {media} do you like?
{wow}, I hope you feel better!
{wow}, good luck with the {event}!
{wow}, your {pet} is adorable!
{wow}, I'm gonna go {doing} {soon}.
{wow}, gotta go, talk to you later!
{wow}, when is the {event}?
{wow}, it's been ages since I went {doing}.
{wow}, what a {adj} {noun}!
{wow} {name}! How are you doing?
{wow} {name}, long time no talk! What's up?
{wow}, u wanna go to {place} {soon}?
{wow}, idk, I'm kinda {feeling} tbh
{wow}, the {noun} is {adj} lol
i had {food} for dinner, so good
can't sleep, thinking about the {event}
on my way to {place}, be there soon
just finished {doing}, so {feeling}
did you see the {noun}?
what are you up to {soon}?
that {media} was {adj}
so {feeling} right now`.split("\n");

/** What is asked of a memory afterwards. */
const questions: readonly string[] = `What pet does {name} have?
What is the name of {name}'s {pet}?
Where does {name} live?
Where did {name} move from?
What does {name} do for a living?
What is {name}'s job?
What did {name} study?
What is {name} allergic to?
What food does {name} like?
What kind of {thing} does {name} have?
When did {name} go to {place}?
When did {name} buy the {noun}?
When is {name}'s {event}?
How long has {name} been married?
How many {noun}s does {name} have?
How does {name} feel about the {event}?
Who did {name} go {doing} with?
Who gave {name} the {thing}?
Why did {name} {verb}?
What did {name} {verb}?
What did {name} do {when}?
What does {name} think about {doing}?
What are {name}'s hobbies?
What instrument does {name} play?
What sports does {name} play?
What {media} did {name} like?
What kind of {genre} {media} does {name} enjoy?
What health problems does {name} have?
What {media} did {name} recommend to {name}?
What did {name} paint {when}?
What did {name} say about the {noun}?
What happened at the {event}?
Which {noun} did {name} choose?
Is {name} {feeling} about the {noun}?
Does {name} like {food}?
Has {name} ever been to {place}?
What are {name}'s plans for {soon}?
Where is {name} going on vacation?
What do {name} and {name} have in common?
What programming language does the user prefer?
How do we deploy {tech}?
What is wrong with {tech}?
What did I say about {tech}?
What is my favorite {noun}?
What do I usually drink in the morning?
Where do I work?
Who is my {job}?
When is my {event}?`.split("\n");

const moreSlots: Readonly<Record<string, readonly string[]>> = {
  ...slots,
  doing2: (slots.doing ?? []).filter((activity) => !activity.includes(" ")),
  person2: (slots.person ?? []).map((person) => person.replace(/^(my|an?) /, "your ").replace(/^some /, "your ")),
  instrument: ["guitar", "piano", "violin", "drums", "clarinet", "flute", "cello", "trumpet", "saxophone", "bass", "harp"],
  feel: ["love", "hate", "really enjoy", "like"],
};

/** `count` different sentences: about half statements, a fifth short turns, the rest questions. */
export function everydaySentences(
  count: number,
  words: { readonly nouns: readonly string[]; readonly verbs: readonly string[] },
  random: Random,
): string[] {
  const lists: Readonly<Record<string, readonly string[]>> = { ...moreSlots, name: names, noun: words.nouns, verb: words.verbs };
  const made = new Set<string>();
  while (made.size < count) {
    const share = random.next();
    const pattern = random.pick(share < 0.5 ? statements : share < 0.7 ? bursts : questions);
    const sentence = pattern.replace(/\{(\w+)\}/g, (_, slot: string) => random.pick(lists[slot] ?? []));
    made.add(sentence.charAt(0).toUpperCase() + sentence.slice(1));
  }
  return [...made];
}
