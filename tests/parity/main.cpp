// parity DIR [--group G] [--kind K] [--dtype f32|bf16] [--strict]: our results against reference
// tensors.
//
// One line per manifest entry, `PASS|FAIL|UNCOVERED name kind worst-error limit`, then the counts.
// Everything is driven by DIR/manifest.json; `kind` alone decides what is computed. The reasons for
// FAIL and UNCOVERED go to stderr. With --strict, UNCOVERED counts as FAIL, but for files of kind
// "data", which others read. Exit 1 if anything failed or nothing was run; 2 for a wrong command
// line.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "core/error.h"
#include "tests/on_gpu.h"
#include "tests/parity/fixture.h"
#include "tests/sha256.h"

namespace mld::parity {
namespace {

constexpr const char* kUsage =
    "usage: parity DIR [--group G] [--kind K] [--dtype f32|bf16] [--strict]\n"
    "  DIR       a folder of reference tensors with a manifest.json\n"
    "  --group   only entries of this group (mldecoder, blocks, fullnets, losses, ...)\n"
    "  --kind    only entries of this kind (losses/asl, ...)\n"
    "  --dtype   what activations are computed in (default f32); bf16: heads, fullnets/eval\n"
    "  --strict  entries that nothing here can compute count as failures\n";

struct Options {
  std::filesystem::path dir;
  std::string group, kind, dtype = "f32";
  bool strict = false;
};

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--strict") {
      options.strict = true;
    } else if (arg == "--group" || arg == "--kind" || arg == "--dtype") {
      require<UsageError>(i + 1 < argc, "{} needs a value\n{}", arg, kUsage);
      (arg == "--group"  ? options.group
       : arg == "--kind" ? options.kind
                         : options.dtype) = argv[++i];
    } else {
      require<UsageError>(!arg.starts_with("-") && options.dir.empty(),
                          "unexpected argument \"{}\"\n{}", arg, kUsage);
      options.dir = arg;
    }
  }
  require<UsageError>(!options.dir.empty(), "no folder given\n{}", kUsage);
  require<UsageError>(options.dtype == "f32" || options.dtype == "bf16",
                      "--dtype is {}, expected f32 or bf16\n{}", options.dtype, kUsage);
  return options;
}

const Kind* find_kind(const std::string& kind) {
  for (const auto* list :
       {&head_kinds(), &block_kinds(), &fullnet_kinds(), &loss_kinds(), &optim_kinds(),
        &metric_kinds(), &image_kinds(), &misc_kinds(), &train_kinds(), &clip_kinds()}) {
    const auto found = std::find_if(list->begin(), list->end(),
                                    [&](const Kind& k) { return kind == k.kind; });
    if (found != list->end()) {
      return &*found;
    }
  }
  return nullptr;
}

// Whether the file has the size and SHA-256 that the manifest gives.
void check_integrity(const std::filesystem::path& path, const Json& entry) {
  std::ifstream file(path, std::ios::binary);
  require<DataError>(file.good(), "missing or unreadable");
  const std::vector<char> content{std::istreambuf_iterator<char>(file), {}};
  if (has(entry, "bytes")) {
    const int64_t size = integer(entry, "bytes");
    require<DataError>(static_cast<int64_t>(content.size()) == size,
                       "{} bytes, the manifest says {}", content.size(), size);
  }
  if (has(entry, "sha256")) {
    const auto* data = reinterpret_cast<const unsigned char*>(content.data());
    require<DataError>(test::sha256({data, content.size()}) == text(entry, "sha256"),
                       "damaged: its SHA-256 is not the manifest's");
  }
}

const std::string kUncovered = "UNCOVERED";

struct Outcome {
  std::string verdict = "PASS";
  std::string worst = "-";
  std::vector<std::string> notes;    // why it failed or is not covered
  std::vector<std::string> remarks;  // for the reader, no failure
};

Outcome run_entry(const std::filesystem::path& dir, const std::string& name, const Json& entry) {
  const std::string kind = text(entry, "kind", "-");
  Outcome out;
  try {
    check_integrity(dir / name, entry);
    const Kind* how = find_kind(kind);
    if (!how) {
      throw Uncovered{kind == "data" ? "a data file, intact; nothing to compute"
                                     : "no such kind here"};
    }
    if (compute_dtype() == DType::bf16 && !how->bf16) {
      throw Uncovered{"compared in float32 only"};
    }
    Fixture fixture(dir, name, entry);
    try {
      how->run(fixture);
      fixture.finish();
      out.notes = fixture.failures();
    } catch (const Error& error) {  // earlier comparisons are still worth reporting
      out.notes = fixture.failures();
      out.notes.push_back(error.what());
    }
    out.worst = fmt::format("{:.3g}", fixture.worst());
    out.remarks = fixture.remarks();
  } catch (const Uncovered& uncovered) {
    return {kUncovered, "-", {uncovered.why}, {}};
  } catch (const std::exception& error) {
    out.notes.push_back(error.what());
  }
  if (!out.notes.empty()) {
    out.verdict = "FAIL";
  }
  return out;
}

std::string limit_text(const Json& entry) {
  if (compute_dtype() == DType::bf16) {
    return fmt::format("{:g}/{:g}", kBf16Limit, kBf16GradientLimit);  // results/gradients
  }
  const Json& limit = member(entry, "limit");
  return limit.IsString() ? limit.GetString()
                          : (limit.IsNumber() ? fmt::format("{:g}", limit.GetDouble()) : "-");
}

int run(const Options& options) {
  const rapidjson::Document manifest = read_json(options.dir / "manifest.json");
  const Json& files = member(manifest, "files");
  require<DataError>(files.IsObject(), "{}/manifest.json: no \"files\"", options.dir.string());
  set_compute_dtype(options.dtype == "bf16" ? DType::bf16 : DType::f32);
  int passed = 0, failed = 0, uncovered = 0;
  for (const auto& [key, entry] : files.GetObject()) {
    const std::string name = key.GetString(), kind = text(entry, "kind", "-");
    if ((!options.group.empty() && text(entry, "group", "") != options.group) ||
        (!options.kind.empty() && kind != options.kind)) {
      continue;
    }
    Outcome out = run_entry(options.dir, name, entry);
    if (options.strict && out.verdict == kUncovered && kind != "data") {
      out.verdict = "FAIL";
    }
    fmt::print("{} {} {} {} {}\n", out.verdict, name, kind, out.worst, limit_text(entry));
    std::fflush(stdout);
    for (const std::string& remark : out.remarks) {
      fmt::print(stderr, "  {}: {}\n", name, remark);
    }
    constexpr size_t kShown = 8;
    for (size_t i = 0; i < std::min(out.notes.size(), kShown); ++i) {
      fmt::print(stderr, "  {}: {}\n", name, out.notes[i]);
    }
    if (out.notes.size() > kShown) {
      fmt::print(stderr, "  {}: and {} more\n", name, out.notes.size() - kShown);
    }
    ++(out.verdict == "PASS" ? passed : out.verdict == "FAIL" ? failed : uncovered);
  }
  fmt::print("{} passed, {} failed, {} uncovered\n", passed, failed, uncovered);
  const bool nothing = passed + failed == 0;
  return failed > 0 || nothing ? 1 : 0;
}

}  // namespace
}  // namespace mld::parity

int main(int argc, char** argv) {
  if (!mld::test::select_gpu()) {
    return mld::test::kSkipped;
  }
  try {
    return mld::parity::run(mld::parity::parse(argc, argv));
  } catch (const mld::UsageError& error) {
    fmt::print(stderr, "parity: {}", error.what());
    return 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "parity: {}\n", error.what());
    return 1;
  }
}
