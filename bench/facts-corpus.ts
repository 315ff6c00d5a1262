// Short dialogues with what can be known from them, for bench/facts.ts. Written before the rules they measure; every second
// one is held out: nobody looks at what the rules make of it while working on them.

export interface FactDialogue {
  /** Day, text, and the role when it is not the user's. */
  readonly messages: readonly (readonly [day: string, text: string, role?: "assistant" | "system" | "tool"])[];
  /** All that can be known from it, past things too: `subject | predicate | object`. */
  readonly facts: readonly string[];
  readonly questions?: readonly FactQuestion[];
}

/** What of a subject (the user unless named) was true on a day, by all that is known or by what was known on another day. */
export interface FactQuestion {
  readonly asOf?: string;
  readonly knownAt?: string;
  readonly subject?: string;
  readonly predicate: string;
  /** In any order; empty: nothing may be answered. */
  readonly answer: readonly string[];
}

export const factDialogues: readonly FactDialogue[] = [
  {
    messages: [
      ["2025-01-05", "Hi! My name is Priya and I live in Oslo."],
      ["2025-01-05", "Nice to meet you, Priya! I live in the cloud.", "assistant"],
      ["2025-03-10", "Quick update: I moved to Berlin."],
    ],
    facts: ["user | name | Priya", "user | lives_in | Oslo", "user | lives_in | Berlin"],
    questions: [
      { predicate: "lives_in", answer: ["Berlin"] },
      { asOf: "2025-02-01", predicate: "lives_in", answer: ["Oslo"] },
      { asOf: "2024-02-01", predicate: "lives_in", answer: [] },
      { knownAt: "2025-02-01", predicate: "lives_in", answer: ["Oslo"] },
      { predicate: "name", answer: ["Priya"] },
    ],
  },
  {
    messages: [
      ["2025-02-01", "I'm Tomás, I work at Initech as a data engineer."],
      ["2025-06-15", "Big news, I left Initech. I started working at Globex last week."],
    ],
    facts: ["user | name | Tomás", "user | works_at | Initech", "user | works_as | data engineer", "user | works_at | Globex"],
    questions: [
      { predicate: "works_at", answer: ["Globex"] },
      { asOf: "2025-03-01", predicate: "works_at", answer: ["Initech"] },
      { knownAt: "2025-05-01", predicate: "works_at", answer: ["Initech"] },
    ],
  },
  {
    messages: [
      ["2025-01-10", "My sister lives in Oslo. She loves skiing."],
      ["2025-01-11", "Is there a direct train from Bergen?"],
    ],
    facts: ["user's sister | lives_in | Oslo", "user's sister | likes | skiing"],
    questions: [
      { predicate: "lives_in", answer: [] },
      { subject: "user's sister", predicate: "lives_in", answer: ["Oslo"] },
    ],
  },
  {
    messages: [
      ["2025-04-02", "I used to live in Rome, now I live in Madrid."],
      ["2025-04-02", "I don't live in Barcelona, by the way."],
    ],
    facts: ["user | lives_in | Rome", "user | lives_in | Madrid"],
    questions: [
      { predicate: "lives_in", answer: ["Madrid"] },
      { asOf: "2020-01-01", predicate: "lives_in", answer: ["Rome"] },
    ],
  },
  {
    messages: [
      ["2025-05-01", "I love jazz and I hate cilantro."],
      ["2025-09-01", "I don't like jazz anymore."],
    ],
    facts: ["user | likes | jazz", "user | dislikes | cilantro"],
    questions: [
      { predicate: "likes", answer: [] },
      { asOf: "2025-06-01", predicate: "likes", answer: ["jazz"] },
      { predicate: "dislikes", answer: ["cilantro"] },
    ],
  },
  {
    messages: [
      ["2025-01-01", "Do I live in Paris? What if I lived in Paris?"],
      ["2025-01-02", 'My friend said "I live in Lyon" and then hung up.'],
      ["2025-01-03", "I wish I lived in Nice."],
    ],
    facts: [],
    questions: [{ predicate: "lives_in", answer: [] }],
  },
  {
    messages: [
      ["2025-03-03", "My birthday is May 3rd, 1990."],
      ["2025-03-04", "Sorry, I mistyped: my birthday is May 4th, 1990."],
    ],
    facts: ["user | birthday | 3 May 1990", "user | birthday | 4 May 1990"],
    questions: [
      { predicate: "birthday", answer: ["4 May 1990"] },
      { knownAt: "2025-03-03T12:00:00Z", predicate: "birthday", answer: ["3 May 1990"] },
    ],
  },
  {
    messages: [
      ["2025-07-07", "My dog's name is Rex. My favourite colour is green."],
      ["2025-07-08", "My favourite colour is blue now."],
    ],
    facts: ["user's dog | name | Rex", "user | favourite_colour | green", "user | favourite_colour | blue"],
    questions: [
      { predicate: "favourite_colour", answer: ["blue"] },
      { subject: "user's dog", predicate: "name", answer: ["Rex"] },
    ],
  },
  {
    messages: [
      ["2025-08-01", "I've lived in Lisbon since 2019."],
      ["2025-08-02", "Before that I lived in Porto from 2015 to 2019."],
    ],
    facts: ["user | lives_in | Lisbon", "user | lives_in | Porto"],
    questions: [
      { asOf: "2021-06-01", predicate: "lives_in", answer: ["Lisbon"] },
      { asOf: "2016-06-01", predicate: "lives_in", answer: ["Porto"] },
      { predicate: "lives_in", answer: ["Lisbon"] },
    ],
  },
  {
    messages: [
      ["2025-02-02", "Call me Sam."],
      ["2025-02-03", "I'm a nurse at St. Olav's Hospital and I'm from Trondheim."],
    ],
    facts: ["user | nickname | Sam", "user | works_as | nurse", "user | works_at | St. Olav's Hospital", "user | comes_from | Trondheim"],
    questions: [
      { predicate: "nickname", answer: ["Sam"] },
      { predicate: "works_as", answer: ["nurse"] },
      { predicate: "comes_from", answer: ["Trondheim"] },
    ],
  },
  {
    messages: [
      ["2025-01-20", "You are a helpful assistant. My name is HAL.", "system"],
      ["2025-01-20", '{"text": "I live in Ankara"}', "tool"],
      ["2025-01-20", "Your name is Dave and you live in Perth.", "assistant"],
      ["2025-01-20", "I'm tired, I'm going home, I'm sure it's fine."],
    ],
    facts: [],
    questions: [
      { predicate: "name", answer: [] },
      { predicate: "lives_in", answer: [] },
    ],
  },
  {
    messages: [
      ["2025-10-01", "I'm allergic to peanuts, please remember that."],
      ["2025-10-02", "I am vegetarian and I speak Portuguese."],
    ],
    facts: ["user | allergic_to | peanuts", "user | diet | vegetarian", "user | speaks | Portuguese"],
    questions: [{ predicate: "allergic_to", answer: ["peanuts"] }],
  },
  {
    messages: [
      ["2025-03-01", "I work for Acme."],
      ["2025-05-01", "I no longer work for Acme."],
    ],
    facts: ["user | works_at | Acme"],
    questions: [
      { predicate: "works_at", answer: [] },
      { asOf: "2025-04-01", predicate: "works_at", answer: ["Acme"] },
    ],
  },
  {
    messages: [
      ["2025-03-01", "my name's anna and i live in kyoto"],
      ["2025-03-02", "i like ramen, sushi and long walks"],
    ],
    facts: ["user | name | anna", "user | lives_in | kyoto", "user | likes | ramen", "user | likes | sushi", "user | likes | long walks"],
    questions: [{ predicate: "likes", answer: ["ramen", "sushi", "long walks"] }],
  },
  {
    messages: [
      ["2025-06-01", "My wife works at Siemens and my son is called Leo."],
      ["2025-07-01", "My wife now works at Bosch."],
    ],
    facts: ["user's wife | works_at | Siemens", "user's son | name | Leo", "user's wife | works_at | Bosch"],
    questions: [
      { subject: "user's wife", predicate: "works_at", answer: ["Bosch"] },
      { predicate: "works_at", answer: [] },
      { asOf: "2025-06-15", subject: "user's wife", predicate: "works_at", answer: ["Siemens"] },
    ],
  },
  {
    messages: [
      ["2025-06-01", "My brother's name is Karl and he lives in Graz."],
      ["2025-06-01", "My boss is from Vienna."],
    ],
    facts: ["user's brother | name | Karl", "user's brother | lives_in | Graz", "user's boss | comes_from | Vienna"],
    questions: [{ subject: "user's brother", predicate: "name", answer: ["Karl"] }],
  },
  {
    messages: [
      ["2025-02-10", "I just moved to Tallinn last month."],
      ["2025-02-10", "How do I register my address?"],
    ],
    facts: ["user | lives_in | Tallinn"],
    questions: [
      { asOf: "2025-02-05", predicate: "lives_in", answer: ["Tallinn"] },
      { asOf: "2024-12-01", predicate: "lives_in", answer: [] },
    ],
  },
  {
    messages: [
      ["2025-01-15", "I moved from Lima to Quito in March 2023."],
      ["2025-01-16", "I'm a photographer."],
    ],
    facts: ["user | lives_in | Lima", "user | lives_in | Quito", "user | works_as | photographer"],
    questions: [
      { predicate: "lives_in", answer: ["Quito"] },
      { asOf: "2023-06-01", predicate: "lives_in", answer: ["Quito"] },
      { asOf: "2022-06-01", predicate: "lives_in", answer: ["Lima"] },
    ],
  },
  {
    messages: [
      ["2025-09-09", "The character in my novel says: I live in Gotham and my name is Bruce."],
      ["2025-09-09", "Write a story where I live in Mordor."],
      ["2025-09-09", "Translate: 'I work at a bank' into French."],
    ],
    facts: [],
    questions: [
      { predicate: "lives_in", answer: [] },
      { predicate: "works_at", answer: [] },
    ],
  },
  {
    messages: [
      ["2025-09-10", "Please rewrite this email:\n> I work at Contoso and I live in Reno.\nThanks!"],
      ["2025-09-10", "If I lived in Reno I would be happier. Maybe I live in a simulation."],
    ],
    facts: [],
    questions: [{ predicate: "lives_in", answer: [] }],
  },
  {
    messages: [
      ["2025-04-04", "I study computer science at ETH Zurich."],
      ["2025-10-04", "I graduated, so I'm no longer a student. I'm a software engineer at Google now."],
    ],
    facts: ["user | studies_at | ETH Zurich", "user | works_as | software engineer", "user | works_at | Google"],
    questions: [
      { predicate: "works_at", answer: ["Google"] },
      { asOf: "2025-05-01", predicate: "studies_at", answer: ["ETH Zurich"] },
    ],
  },
  {
    messages: [
      ["2025-04-04", "I'm studying at MIT. My email is lee@example.org."],
      ["2025-05-04", "My email address is lee@work.example now."],
    ],
    facts: ["user | studies_at | MIT", "user | email | lee@example.org", "user | email | lee@work.example"],
    questions: [
      { predicate: "email", answer: ["lee@work.example"] },
      { asOf: "2025-04-20", predicate: "email", answer: ["lee@example.org"] },
    ],
  },
  {
    messages: [
      ["2025-11-01", "I prefer tea over coffee. I really enjoy hiking."],
      ["2025-11-02", "I can't stand loud music."],
    ],
    facts: ["user | likes | tea", "user | likes | hiking", "user | dislikes | loud music"],
    questions: [{ predicate: "dislikes", answer: ["loud music"] }],
  },
  {
    messages: [
      ["2025-11-01", "I'd like a coffee. I like it. I like that idea."],
      ["2025-11-02", "I love you. I'd love to live in Hawaii."],
    ],
    facts: [],
    questions: [
      { predicate: "likes", answer: [] },
      { predicate: "lives_in", answer: [] },
    ],
  },
  {
    messages: [
      ["2025-01-01", "I live in Paris."],
      ["2025-02-01", "Actually, I lived in London until 2020, and I have been in Paris since 2021."],
    ],
    facts: ["user | lives_in | Paris", "user | lives_in | London"],
    questions: [
      { predicate: "lives_in", answer: ["Paris"] },
      { asOf: "2019-01-01", predicate: "lives_in", answer: ["London"] },
      { knownAt: "2025-01-15", asOf: "2019-01-01", predicate: "lives_in", answer: [] },
    ],
  },
  {
    messages: [
      ["2025-01-01", "I live in New York City, but I was born in San Juan."],
      ["2025-05-01", "I have moved to Los Angeles since then."],
    ],
    facts: ["user | lives_in | New York City", "user | comes_from | San Juan", "user | lives_in | Los Angeles"],
    questions: [
      { predicate: "lives_in", answer: ["Los Angeles"] },
      { asOf: "2025-02-01", predicate: "lives_in", answer: ["New York City"] },
    ],
  },
  {
    messages: [
      ["2025-08-20", "We're expecting guests. My mother is 62 and lives in Cork with my father."],
      ["2025-08-21", "I'm 34 years old."],
    ],
    facts: ["user's mother | age | 62", "user's mother | lives_in | Cork", "user | age | 34"],
    questions: [{ predicate: "age", answer: ["34"] }],
  },
  {
    messages: [
      ["2025-08-20", "I turned 40 yesterday."],
      ["2025-08-20", "My partner's birthday is on 12 June."],
    ],
    facts: ["user | age | 40", "user's partner | birthday | 12 June"],
    questions: [
      { predicate: "birthday", answer: [] },
      { subject: "user's partner", predicate: "birthday", answer: ["12 June"] },
    ],
  },
  {
    messages: [
      ["2025-01-08", "I work as a teacher at Lincoln High."],
      ["2025-06-30", "I quit my job at Lincoln High."],
      ["2025-09-01", "I now work as a translator."],
    ],
    facts: ["user | works_as | teacher", "user | works_at | Lincoln High", "user | works_as | translator"],
    questions: [
      { predicate: "works_as", answer: ["translator"] },
      { predicate: "works_at", answer: [] },
      { asOf: "2025-03-01", predicate: "works_as", answer: ["teacher"] },
    ],
  },
  {
    messages: [
      ["2025-01-08", "I got a job at Hooli!"],
      ["2025-03-08", "I got laid off from Hooli yesterday."],
    ],
    facts: ["user | works_at | Hooli"],
    questions: [
      { predicate: "works_at", answer: [] },
      { asOf: "2025-02-01", predicate: "works_at", answer: ["Hooli"] },
    ],
  },
  {
    messages: [
      ["2025-05-05", "My name is not Bob. It's Robert."],
      ["2025-05-06", "People call me Rob."],
    ],
    facts: ["user | name | Robert", "user | nickname | Rob"],
    questions: [{ predicate: "nickname", answer: ["Rob"] }],
  },
  {
    messages: [
      ["2025-05-05", "This is Maria speaking, from the accounting team."],
      ["2025-05-06", "My surname is Silva and my phone number is +351 912 345 678."],
    ],
    facts: ["user | name | Maria", "user | surname | Silva", "user | phone | +351 912 345 678"],
    questions: [{ predicate: "phone", answer: ["+351 912 345 678"] }],
  },
  {
    messages: [
      ["2025-02-14", "I'm married to Jonas. We live in Gothenburg."],
      ["2025-02-15", "Jonas works at Volvo."],
    ],
    facts: ["user | spouse | Jonas", "user | lives_in | Gothenburg", "Jonas | works_at | Volvo"],
    questions: [
      { predicate: "lives_in", answer: ["Gothenburg"] },
      { predicate: "works_at", answer: [] },
    ],
  },
  {
    messages: [
      ["2025-02-14", "My husband's name is Piet. He doesn't live in Delft."],
      ["2025-02-15", "My manager hates meetings."],
    ],
    facts: ["user's husband | name | Piet", "user's manager | dislikes | meetings"],
    questions: [
      { subject: "user's husband", predicate: "lives_in", answer: [] },
      { predicate: "dislikes", answer: [] },
    ],
  },
  {
    messages: [
      ["2025-06-06", "I'm moving to Rome in September 2025."],
      ["2025-06-06", "Right now I live in Turin."],
    ],
    facts: ["user | lives_in | Rome", "user | lives_in | Turin"],
    questions: [
      { asOf: "2025-07-01", predicate: "lives_in", answer: ["Turin"] },
      { asOf: "2025-10-15", predicate: "lives_in", answer: ["Rome"] },
    ],
  },
  {
    messages: [
      ["2025-06-06", "I might move to Seville. I'm thinking about living in Cádiz."],
      ["2025-06-07", "I currently live in Granada and work remotely."],
    ],
    facts: ["user | lives_in | Granada"],
    questions: [{ predicate: "lives_in", answer: ["Granada"] }],
  },
  {
    messages: [
      ["2025-03-15", "My laptop is a ThinkPad X1. My timezone is CET."],
      ["2025-03-16", "My laptop is broken. My code is slow. My question is simple."],
    ],
    facts: ["user | laptop | ThinkPad X1", "user | timezone | CET"],
    questions: [
      { predicate: "timezone", answer: ["CET"] },
      { predicate: "laptop", answer: ["ThinkPad X1"] },
    ],
  },
  {
    messages: [
      ["2025-03-15", "My favorite language is Rust and my editor is Helix."],
      ["2025-08-15", "My favorite language is Zig these days."],
    ],
    facts: ["user | favorite_language | Rust", "user | editor | Helix", "user | favorite_language | Zig"],
    questions: [
      { predicate: "favorite_language", answer: ["Zig"] },
      { asOf: "2025-05-01", predicate: "favorite_language", answer: ["Rust"] },
    ],
  },
  {
    messages: [
      ["2025-01-01", "Remember: I like dark mode, and I don't like emojis."],
      ["2025-01-02", "I never liked mushrooms."],
    ],
    facts: ["user | likes | dark mode", "user | dislikes | emojis", "user | dislikes | mushrooms"],
    questions: [{ predicate: "likes", answer: ["dark mode"] }],
  },
  {
    messages: [
      ["2025-01-01", "I hate Mondays, and I adore my cat."],
      ["2025-01-02", "I'm not a fan of horror films but I'm a big fan of Miyazaki."],
    ],
    facts: ["user | dislikes | Mondays", "user | dislikes | horror films", "user | likes | Miyazaki"],
    questions: [{ predicate: "dislikes", answer: ["Mondays", "horror films"] }],
  },
  {
    messages: [
      ["2024-05-01", "I work at Nokia."],
      ["2024-08-01", "I used to work at Ericsson before Nokia."],
      ["2025-08-01", "I don't work at Nokia any more, I joined Vaisala."],
    ],
    facts: ["user | works_at | Nokia", "user | works_at | Ericsson", "user | works_at | Vaisala"],
    questions: [
      { predicate: "works_at", answer: ["Vaisala"] },
      { asOf: "2024-09-01", predicate: "works_at", answer: ["Nokia"] },
      { asOf: "2023-09-01", predicate: "works_at", answer: ["Ericsson"] },
      { knownAt: "2025-01-01", predicate: "works_at", answer: ["Nokia"] },
    ],
  },
  {
    messages: [
      ["2024-05-01", "I'm based in Austin."],
      ["2024-11-01", "I relocated to Denver two weeks ago."],
      ["2025-08-01", "I'm back living in Austin."],
    ],
    facts: ["user | lives_in | Austin", "user | lives_in | Denver", "user | lives_in | Austin"],
    questions: [
      { predicate: "lives_in", answer: ["Austin"] },
      { asOf: "2024-10-25", predicate: "lives_in", answer: ["Denver"] },
      { asOf: "2024-10-25", knownAt: "2024-10-25", predicate: "lives_in", answer: ["Austin"] },
    ],
  },
  {
    messages: [
      ["2025-01-01", "My daughter Ida is 7. She likes dinosaurs."],
      ["2025-02-01", "My daughter's favourite animal is the triceratops."],
    ],
    facts: [
      "user's daughter | name | Ida",
      "user's daughter | age | 7",
      "user's daughter | likes | dinosaurs",
      "user's daughter | favourite_animal | triceratops",
    ],
    questions: [{ subject: "user's daughter", predicate: "age", answer: ["7"] }],
  },
  {
    messages: [
      ["2025-01-01", "My roommate is a chef. He is from Naples and he likes football."],
      ["2025-02-01", "My cat is called Miso."],
    ],
    facts: [
      "user's roommate | works_as | chef",
      "user's roommate | comes_from | Naples",
      "user's roommate | likes | football",
      "user's cat | name | Miso",
    ],
    questions: [
      { subject: "user's cat", predicate: "name", answer: ["Miso"] },
      { predicate: "likes", answer: [] },
    ],
  },
];

/** Whether a dialogue may be looked at while the rules are worked on. */
export const isHeldOut = (index: number): boolean => index % 2 === 1;
