// mlinfer attention: where a model looks for the labels of a picture.
#include <algorithm>
#include <filesystem>

#include "app/attention_map.h"
#include "app/infer.h"
#include "app/label_attention.h"
#include "app/predictions.h"
#include "app/program.h"
#include "core/kernels.h"
#include "data/file.h"
#include "data/image_encode.h"
#include "data/json_writer.h"
#include "data/text.h"
#include "train/finite.h"

namespace mld {
namespace {

namespace fs = std::filesystem;

// A label's map, and how it is shown.
struct Shown {
  Prediction prediction;
  LabelMap looked;
  fs::path out;
};

bool one_file(const AttentionCommand& command) { return command.asked.names.size() == 1; }

// The file or the folder to write to.
fs::path place_of(const AttentionCommand& command) {
  fs::path out = command.out;
  if (out.empty()) {
    out = fs::path(command.pictures[0]).stem();
    out += one_file(command) ? ".attention.png" : ".attention";
  }
  std::error_code absent;
  require<UsageError>(!one_file(command) || !fs::is_directory(out, absent),
                      "--out: {} is a folder, and one label's map is one file; give a name that "
                      "ends in .png", printable(out.native()));
  require<UsageError>(!one_file(command) || out.extension() == ".png",
                      "--out: a PNG is written, so its name must end in .png, got '{}'",
                      printable(out.native()));
  require<UsageError>(!fs::equivalent(out, command.pictures[0], absent),
                      "--out: {} is the picture itself", printable(out.native()));
  return out;
}

// "3_dog.png": a class's name as a part of a file's, whatever it holds.
std::string file_name(size_t number, size_t count, std::string_view label) {
  constexpr size_t kMostCharacters = 50;  // of 4 bytes at most; names of files have up to 255
  std::string safe = printable(label);
  safe.resize(bytes_of_first(kMostCharacters, safe));
  std::ranges::replace_if(safe, [](char c) {
    return std::string_view("/\\:*?\"<>| ").find(c) != std::string_view::npos;
  }, '_');
  return fmt::format("{:0{}}_{}.png", number, std::to_string(count).size(), safe);
}

Image load_picture(const AttentionCommand& command, const Preprocess& spec) {
  const std::string& name = command.pictures[0];
  std::error_code unreadable;  // reported below
  require<UsageError>(!fs::is_directory(name, unreadable),
                      "attention: {} is a folder; give one picture", printable(name));
  Image picture = load_image(
      name, decode_options(spec, command.max_pixels.value_or(ImageLimits{}.max_pixels)));
  if (!picture.facts.damage.empty()) {
    print(stderr, "mlinfer: {}: {} (outside the pixels, which are used)\n", printable(name),
          printable(picture.facts.damage));
  }
  return picture;
}

// -> f32 [labels]
std::vector<float> scores_of(Recognizer& recognizer, const Image& picture, const std::string& name,
                             LabelAttention& attention) {
  const Image square = to_square(picture, recognizer.preprocess());
  Tensor pixels({1, square.height, square.width, 3}, DType::u8);
  std::ranges::copy(square.rgb, pixels.data<uint8_t>());
  const Tensor embedding = recognizer.embed(pixels, attention.tap());
  check_outputs(embedding.to_vector(), embedding.shape()[-1], [&](int64_t) { return name; });
  return recognizer.scores(embedding).to_vector();
}

std::vector<Shown> maps_of(const AttentionCommand& command, const Recognizer& recognizer,
                           std::span<const float> scores, LabelAttention& attention,
                           const fs::path& out) {
  const auto labels = std::ssize(recognizer.labels());
  const std::vector<Prediction> chosen =
      choose(scores, recognizer.labels(), thresholds_of(command.threshold, recognizer),
             command.asked.given ? std::optional(labels) : command.top_k);
  std::vector<Shown> all;
  for (const Prediction& p : chosen) {
    all.push_back({.prediction = p,
                   .looked = attention.map(recognizer, p.label->name, 0, command.head),
                   .out = one_file(command)
                              ? out
                              : out / file_name(all.size() + 1, chosen.size(), p.label->name)});
  }
  return all;
}

void write_maps(const AttentionCommand& command, const std::vector<Shown>& all,
                const Image& picture, const Preprocess& spec, const fs::path& out) {
  if (!one_file(command)) {
    std::error_code error;
    fs::create_directories(out, error);
    require<DataError>(!error && fs::is_directory(out, error), "{}: cannot make the folder: {}",
                       printable(out.native()),
                       error ? error.message() : "there is a file of that name");
  }
  const SeenPart seen = seen_part(picture.width, picture.height, spec);
  const Image small = reduced(picture, static_cast<int>(command.size));
  for (const Shown& shown : all) {
    const Image overlay = attention_overlay(small, shown.looked.map, seen, command.opacity);
    write_file_atomically(shown.out, encode_png(overlay, printable(shown.out.native())));
  }
}

void print_json(const AttentionCommand& command, const std::vector<Shown>& all,
                const LabelAttention& attention, bool marks) {
  JsonWriter json;
  json.object().member("file", command.pictures[0]).key("head");
  if (command.head) {
    json.value(*command.head);
  } else {
    json.value("mean");
  }
  json.member("heads", attention.heads()).key("labels").array();
  for (const Shown& shown : all) {
    const AskedLabel& label = *shown.prediction.label;
    json.object().member("name", label.name);
    if (label.id != AskedLabel::kUnknown) {
      json.member("id", label.id);
    }
    json.member("score", rounded(shown.prediction.score)).member("above", shown.prediction.above);
    if (marks) {
      json.member("seen", label.seen);
    }
    const LabelMap& looked = shown.looked;
    json.member("query", looked.query).key("shared_by").values(looked.sharing);
    json.member("peak", rounded(peak_of(looked.map), 3)).member("out", shown.out.native());
    json.key("weights").array();
    for (int64_t row = 0; row < looked.map.shape()[0]; ++row) {
      json.array();
      for (const float w : looked.map.rows(row, row + 1).to_vector()) {
        json.value(rounded(w, 8));
      }
      json.end();
    }
    json.end().end();
  }
  print(stdout, "{}\n", json.end().end().text());
}

void print_text(const AttentionCommand& command, const std::vector<Shown>& all) {
  print(stdout, "{}\n", printable(command.pictures[0]));
  for (const Shown& shown : all) {
    const Prediction& p = shown.prediction;
    print(stdout, "  {:5.1f} % {} {}{}  {}, at most {:.1f} x the mean\n",
          100.0 * static_cast<double>(p.score), p.above ? '+' : ' ', printable(p.label->name),
          p.label->seen ? "" : " *", printable(shown.out.native()), peak_of(shown.looked.map));
  }
  std::vector<int64_t> told;
  for (const Shown& shown : all) {
    const LabelMap& looked = shown.looked;
    if (looked.sharing.size() > 1 && std::ranges::find(told, looked.query) == told.end()) {
      told.push_back(looked.query);
      print(stdout, "  one query, and so one map, for {}\n", name_list(looked.sharing));
    }
  }
}

}  // namespace

ExitCode execute(const AttentionCommand& command) {
  use_threads(0);
  LabelAttention attention(command.checkpoint);
  require<UsageError>(command.head.value_or(0) < attention.heads(),
                      "--head: there are heads 0 to {}, and their mean; got {}",
                      attention.heads() - 1, command.head.value_or(0));
  const fs::path out = place_of(command);
  const std::unique_ptr<Recognizer> recognizer = open_recognizer(command);
  const Image picture = load_picture(command, recognizer->preprocess());
  const std::vector<float> scores =
      scores_of(*recognizer, picture, command.pictures[0], attention);
  const std::vector<Shown> all = maps_of(command, *recognizer, scores, attention, out);
  write_maps(command, all, picture, recognizer->preprocess(), out);
  if (command.json) {
    print_json(command, all, attention, recognizer->tells_seen());
  } else {
    print_text(command, all);
  }
  return ExitCode::ok;
}

}  // namespace mld
