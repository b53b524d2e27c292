// The report's sections on single classes and pictures, from scores made for it.
#include <algorithm>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "app/report/section.h"
#include "tests/fake_dataset.h"
#include "tests/page_check.h"
#include "train/thresholds.h"

namespace mld::test {
namespace {

constexpr Label P = Label::present, A = Label::absent;

// Pictures whose files have hostile names; number 3 cannot be read.
class HostileDataset : public FakeDataset {
 public:
  explicit HostileDataset(int64_t n) : FakeDataset(n, {3}) {}
  std::string source(int64_t i) const override {
    return kHostile[static_cast<size_t>(i) % kHostile.size()];
  }
};

// What a split's scores are of: `data`'s pictures.
Scores scores_for(const Dataset& data, int64_t classes) {
  Scores scores{.scores = {}, .targets = {}, .indices = {}, .classes = classes,
                .split_size = data.size(), .fingerprint = fingerprint(data)};
  for (int64_t i = 0; i < data.size(); ++i) {
    scores.indices.push_back(i);
  }
  return scores;
}

// Every fifth decision is wrong, and confidently so.
Scores several_labels(const Dataset& data, int64_t classes) {
  Scores scores = scores_for(data, classes);
  for (int64_t i = 0; i < data.size(); ++i) {
    for (int64_t k = 0; k < classes; ++k) {
      const bool present = (i + k) % 4 == 0, wrong = (7 * i + 3 * k) % 5 == 0;
      const float sure = 0.01f * static_cast<float>(i % 7);
      scores.targets.push_back(present ? P : A);
      scores.scores.push_back(present != wrong ? 0.9f + sure : 0.1f - sure);
    }
  }
  return scores;
}

// Picture i shows class i % K; every sixth looks like the next class.
Scores one_label(const Dataset& data, int64_t classes, float sure = 0.8f) {
  Scores scores = scores_for(data, classes);
  for (int64_t i = 0; i < data.size(); ++i) {
    const int64_t best = (i + (i % 6 == 0 ? 1 : 0)) % classes;
    for (int64_t k = 0; k < classes; ++k) {
      scores.targets.push_back(k == i % classes ? P : A);
      scores.scores.push_back(k == best ? sure : (1 - sure) / static_cast<float>(classes));
    }
  }
  return scores;
}

ReportInput input_of(const std::vector<std::string>& names) {
  ReportRun run{.folder = {"runs/a b"}, .name = "a b", .config = {}, .history = {},
                .best = KeptEvaluation()};
  for (size_t k = 0; k < names.size(); ++k) {
    run.best->classes.push_back({.name = names[k], .positives = 3,
                                 .ap = 10.0 * static_cast<double>(names.size() - k),
                                 .precision = 25, .recall = 75, .f1 = 37.5, .threshold = 0.3});
  }
  return {{std::move(run)}, nullptr, {}, nullptr, nullptr};
}

SplitScores analyzed(const Scores& scores, const std::vector<std::string>& names,
                     bool single_label = false, const ShownCounts& counts = {}) {
  std::vector<double> thresholds;
  if (!single_label) {
    thresholds.assign(names.size(), 0.5);
  }
  SplitScores shown = analyze_scores("val", scores, {names, thresholds, single_label}, counts);
  shown.weights = {42, "ema"};
  return shown;
}

std::string page_of(const SplitScores& val, const SplitScores* train = nullptr) {
  ReportInput input = input_of(val.classes.names);
  input.val = &val;
  input.train = train;
  return report_page(input);
}

// The part of a page between a section's heading and the next section.
std::string section_of(const std::string& page, const std::string& id) {
  const size_t begin = page.find("<section id=\"" + id + "\"");
  REQUIRE(begin != std::string::npos);
  return page.substr(begin, page.find("</section>", begin) - begin);
}

bool in(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) {
    MESSAGE("not in: ", text.substr(0, 6000));
  }
  return found;
}

}  // namespace

TEST_CASE("sections on scores: hostile names of classes and files stay text") {
  const HostileDataset data(30);
  const Scores scores = several_labels(data, std::ssize(kHostile));
  SplitScores val = analyzed(scores, kHostile), train = val;
  add_pictures(data, scores, val);
  train.split = "train";
  train.problem = kHostile[0];
  const std::string page = page_of(val, &train);
  check_page(page);
  for (const char* id : kSectionsOfScores) {
    CAPTURE(id);
    CHECK(count(page, fmt::format("<section id=\"{}\"", id)) == 1);
  }
  const std::string errors = section_of(page, "errors");
  CHECK(count(errors, "<img ") > 20);
  CHECK(count(errors, "no picture</span>") > 0);  // number 3
  CHECK(count(errors, "<img ") + count(errors, "no picture</span>") ==
        count(errors, "<li>"));
  CHECK(count(section_of(page, "classes"), "class=\"spark\"") == kHostile.size());
  // Of train, the data were not there.
  CHECK(in(section_of(page, "label-errors"), "picture 1<"));
}

TEST_CASE("the table of classes: lowest AP first, at the thresholds; those without pictures last") {
  ReportInput input = input_of({"good", "bad", "absent"});
  KeptEvaluation::PerClass& absent = input.runs[0].best->classes[2];
  absent.positives = 0;
  absent.ap.reset();
  absent.threshold = kNever;
  std::string table = section_of(report_page(input), "classes");
  CHECK(table.find("\">bad<") < table.find("\">good<"));
  CHECK(table.find("\">good<") < table.find("\">absent<"));
  CHECK(in(table, "at the class&#39;s own threshold"));
  CHECK(in(table, "<td class=\"number\">0.300</td>"));
  CHECK(in(table, "<td class=\"number\">never</td>"));
  CHECK(count(table, "<td class=\"number\">–</td>") == 3);  // AP, recall, F1
  CHECK(count(table, "class=\"spark\"") == 0);
  for (KeptEvaluation::PerClass& one : input.runs[0].best->classes) {
    one.threshold.reset();
  }
  input.runs[0].best->classes[0].seen = false;
  input.runs[0].config.config.task = Task::zero_shot;
  table = section_of(report_page(input), "classes");
  CHECK(in(table, "at a score above 0.5"));
  CHECK(table.find("Threshold") == std::string::npos);
  CHECK(count(table, "<td>unseen</td>") == 1);
}

TEST_CASE("curves of scores, worked out by hand") {
  const FakeDataset data(4);
  Scores scores = scores_for(data, 2);  // the second class is in no picture
  scores.scores = {0.9f, 0.5f, 0.8f, 0.4f, 0.6f, 0.3f, 0.1f, 0.2f};
  scores.targets = {A, A, P, A, P, A, A, A};
  const std::string text = section_of(page_of(analyzed(scores, {"a", "b"})), "scores");
  // Of class a: nothing right at 0.9, half found with precision 1/2 at 0.8, all with 2/3 at 0.6:
  // the highest precision from any recall on is 2/3. Its F1 is 0 above 0.8, 4/5 at 0.6, 2/3 at 0.
  CHECK(in(text, "mean of the classes: 101 points, first 0.666667, last 0.666667, between 0.666667 "
                 "and 0.666667."));
  CHECK(in(text, "mean of the classes: 101 points, first 0.666667, last 0, between 0 and 0.8."));
  CHECK(in(text, "all decisions, one threshold: 4 points, first 0, last 0.25, between 0 and "
                 "0.666667."));
  CHECK(in(text, "Of 4 pictures of val, by the weights after update 42."));
  // Bins of 1/15: 0.9 (wrong), 0.8 and 0.6 (right); the five absent ones below.
  CHECK(in(text, "found: 8 points, first 0, last 0, between 0 and 1."));
}

TEST_CASE("worst errors: highest false positives, lowest false negatives, classes by AP") {
  const FakeDataset data(8);
  Scores scores = scores_for(data, 3);
  for (int64_t i = 0; i < 8; ++i) {
    scores.scores.insert(scores.scores.end(), {i == 6 ? 0.9f : i == 3 ? 0.8f : i < 2 ? 0.7f : 0.1f,
                                               i == 4 ? 0.2f : i == 5 ? 0.6f : 0.3f,
                                               i == 7 ? 0.9f : 0.1f});
    scores.targets.insert(scores.targets.end(),
                          {i < 2 ? P : A, i == 4 || i == 5 ? P : A, i == 7 ? P : A});
  }
  SplitScores val = analyzed(scores, {"a", "b", "c"});
  CHECK(val.worst_classes == std::vector<size_t>{0, 1});  // c has none
  add_pictures(data, scores, val);
  const std::string text = section_of(page_of(val), "errors");
  CHECK(in(text, "Not there, but found: 2, highest score first"));
  CHECK(in(text, "There, but missed: 1, lowest score first"));
  CHECK(text.find("<b>0.900</b> <bdi title=\"fake:6\">") < text.find("<b>0.800</b>"));
  CHECK(in(text, "<b>0.200</b> <bdi title=\"fake:4\">fake:4</bdi><br>\n"
                 "labelled <bdi title=\"b\">"));
  CHECK(in(text, "alt=\"fake:6, score 0.900, labelled no label\""));
  SplitScores never = analyze_scores("val", scores, {{"a", "b", "c"}, {0.5, kNever, 0.5}, false});
  CHECK(in(section_of(page_of(never), "errors"), ", threshold never<"));
  // Fewer: one class, one picture.
  val = analyzed(scores, {"a", "b", "c"}, false, {.classes = 1, .errors = 1, .label_errors = 0});
  const std::string less = section_of(page_of(val), "errors");
  CHECK(count(less, "<li>") == 1);
  CHECK(in(less, "Further classes with errors, of a higher AP or in no picture: 1."));
  CHECK(in(less, "Not there, but found: 2,"));
}

TEST_CASE("labels that may be wrong, in val and train") {
  const FakeDataset data(30);
  const Scores scores = several_labels(data, 3);
  SplitScores val = analyzed(scores, {"a", "b", "c"}, false, {.label_errors = 2});
  add_pictures(data, scores, val);
  REQUIRE(val.analysis.label_errors.found > 4);
  std::string text = section_of(page_of(val), "label-errors");
  CHECK(count(text, "<tr><td class=\"thumb\">") == val.analysis.label_errors.worst.size());
  CHECK(in(text, "</bdi> is missing"));
  CHECK(in(text, "</bdi> is not there"));
  CHECK(in(text, "mlinfer eval &#39;runs/a b&#39; --split train --keep-scores &amp;&amp; mltrain "
                 "report &#39;runs/a b&#39;"));
  SplitScores train = val;
  train.split = "train";
  train.weights.step = 7;
  text = section_of(page_of(val, &train), "label-errors");
  CHECK(in(text, "<h3>train: "));
  CHECK(in(text, "of older weights, those after update 7."));
  train.weights.step = 42;
  text = section_of(page_of(val, &train), "label-errors");
  CHECK(text.find("--keep-scores") == std::string::npos);

  const FakeDataset larger(60);
  const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
  const Scores more = several_labels(larger, 9);
  SplitScores all = analyzed(more, names);
  REQUIRE(all.analysis.label_errors.worst.size() > 80);
  add_pictures(larger, more, all);
  CHECK(count(section_of(page_of(all), "label-errors"), "<img ") == 60);
}

TEST_CASE("one label a picture: the confusion matrix, of many classes the confused ones") {
  const FakeDataset data(60);
  const std::vector<std::string> few = {"a", "b", "c", "d", "e"};
  const Scores scores = one_label(data, 5);
  SplitScores val = analyzed(scores, few, true);
  add_pictures(data, scores, val);
  const std::string page = page_of(val), text = section_of(page, "confusion");
  CHECK(count(text, "<rect ") == 25);
  CHECK(in(text, "<title>a as b: 2 of 12 pictures</title>"));
  CHECK(in(text, "<title>a as a: 10 of 12 pictures</title>"));
  CHECK(in(text, "Pictures whose best score is another class's than the label."));
  CHECK(in(text, "<td class=\"number\">16.7</td>"));
  CHECK(in(page, "how often the best class is right (expected calibration error 3.3 %)"));
  CHECK(in(section_of(page, "label-errors"), "</bdi>, not <bdi"));
  const std::string table = section_of(page, "classes");
  CHECK(in(table, "those of the class with the best score"));
  CHECK(count(table, "<td class=\"number\">83.33</td>") == 15);  // 10 of 12, three times

  // The best class counts, whatever its score.
  const std::string errors = section_of(page_of(analyzed(one_label(data, 5, 0.35f), few, true)),
                                        "errors");
  CHECK(in(errors, "found is the class with the best score"));
  CHECK(count(errors, "There, but missed: 2, lowest") == 5);
  CHECK(count(errors, "Not there, but found: 2, highest") == 5);
  CHECK(count(errors, "threshold") == 0);

  std::vector<std::string> many;
  for (int k = 0; k < 60; ++k) {
    many.push_back(fmt::format("class {}", k));
  }
  const std::string large = section_of(page_of(analyzed(one_label(data, 60), many, true)),
                                       "confusion");
  CHECK(in(large, "20 of 60 classes, those in the commonest confusions."));
  CHECK(count(large, "<rect ") == 400);
}

TEST_CASE("several labels: pairs of classes, counted in pictures") {
  const FakeDataset data(6);
  Scores scores = scores_for(data, 2);
  scores.scores = {0.9f, 0.1f, 0.9f, 0.2f, 0.1f, 0.9f, 0.9f, 0.1f, 0.1f, 0.1f, 0.2f, 0.1f};
  scores.targets = {A, P, A, P, A, P, P, A, A, A, A, P};
  const std::string text = section_of(page_of(analyzed(scores, {"cat", "dog"})), "confusion");
  CHECK(in(text, "1 pair of classes"));
  CHECK(in(text, "cat</bdi></td>\n<td class=\"name\"><bdi title=\"dog\">dog</bdi></td>\n"
                 "<td class=\"number\">2</td>\n<td class=\"number\">50.0</td>"));
}

TEST_CASE("scores of other data give no pictures, and scores of other classes nothing") {
  const FakeDataset data(30), other(31);
  const Scores scores = several_labels(data, 3);
  SplitScores val = analyzed(scores, {"a", "b", "c"});
  add_pictures(other, scores, val);
  CHECK(val.problem.starts_with("No pictures of val: its pictures or labels are not those"));
  CHECK(count(page_of(val), "<img ") == 0);
  Scores relabelled = scores;  // as many pictures, but not these
  relabelled.fingerprint ^= 1;
  add_pictures(data, relabelled, val);
  CHECK_FALSE(val.problem.empty());
  add_pictures(data, scores, val);
  CHECK(val.problem.empty());
  CHECK_THROWS_AS(analyzed(scores, {"a", "b"}), DataError);
}

TEST_CASE("10,000 pictures and 1,000 classes: at most 8 MB, pictures among them") {
  const FakeDataset data(10'000);
  std::vector<std::string> names;
  for (int k = 0; k < 1000; ++k) {
    names.push_back(fmt::format("class number {}", k));
  }
  Scores scores = scores_for(data, 1000);
  scores.scores.assign(10'000'000, 0.01f);
  scores.targets.assign(10'000'000, A);
  for (size_t i = 0; i < 10'000; ++i) {
    for (size_t j = 0; j < 5; ++j) {
      const size_t at = 1000 * i + (i * 37 + j * 211) % 1000;
      scores.targets[at] = j < 3 ? P : A;
      scores.scores[at] = (i + j) % 3 == 0 ? 0.3f : 0.9f - 1e-5f * static_cast<float>(i);
    }
  }
  SplitScores val = analyzed(scores, names);
  add_pictures(data, scores, val);
  for (auto& [row, picture] : val.pictures) {
    picture.jpeg.assign(picture.jpeg.empty() ? 0 : 15'000, 1);  // thrice a photograph's
  }
  const SplitScores train = val;
  const std::string page = page_of(val, &train);
  MESSAGE("bytes of the page: ", page.size(), ", pictures: ", count(page, "<img "));
  CHECK(page.size() <= 8'000'000);
  CHECK(count(page, "<img ") > 200);
  CHECK(in(page.substr(page.rfind("<footer>")), "Left out to keep this file below 8 MB: "));
}

}  // namespace mld::test
