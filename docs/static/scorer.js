// Where the search puts a page: tasks and explanations first, the reference of the code last.
var Scorer = {
  score: ([page, , , , score]) =>
    page.startsWith("docs/reference/made/api/") ? score - 20
      : /^docs\/(start|how_to|understand)/.test(page) ? score + 5 : score,
  // The rest is as Sphinx has it.
  objNameMatch: 11, objPartialMatch: 6, objPrio: { 0: 15, 1: 5, 2: -5 }, objPrioDefault: 0,
  title: 15, partialTitle: 7, term: 5, partialTerm: 2,
};
