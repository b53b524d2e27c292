// The input of a kind: one entry of a manifest, its tensors, and the record of comparisons.
//
// An entry passes only if every tensor it stores was read as an input or compared with a result:
// finish() names those left over, so nothing is skipped silently.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "data/safetensors.h"
#include "tests/parity/array.h"
#include "tests/parity/fill.h"
#include "tests/parity/json.h"

namespace mld::parity {

// Note [Bfloat16 parity]. The references are float32, and every activation of ours is rounded to
// eight bits: single elements, especially those near zero, say little. So the measure is the
// distance as vectors, |ours - stored| / |stored|. Measured on the CPU: results 0.003 to 0.0105 (a
// whole ResNet-50), gradients 0.03 to 0.062, and 0.084 in a decoder of 24 channels, where a single
// rounded value on the other side of a ReLU matters. That is coarse, but the op rows are held to
// 2^-7 one by one.
inline constexpr double kBf16Limit = 0x1p-6, kBf16GradientLimit = 0.1;

// Thrown by a kind that cannot compute this entry (a backbone we do not have): UNCOVERED.
struct Uncovered {
  std::string why;
};

class Fixture {
 public:
  // `entry` is the manifest's object for the file `name` in folder `dir`; both must outlive this.
  // Errors: DataError if the file or its fill table cannot be read.
  Fixture(std::filesystem::path dir, std::string name, const Json& entry);

  const std::string& name() const { return name_; }
  const std::filesystem::path& dir() const { return dir_; }
  const Json& entry() const { return entry_; }
  const Json& config() const { return member(entry_, "config"); }        // null when absent
  const Json& arguments() const { return member(entry_, "arguments"); }  // null when absent
  const Json& model() const { return member(entry_, "model"); }          // null when absent
  double limit() const { return limit_; }

  // ---- inputs: stored, or generated where the entry has a fill table ----------------------------
  bool has(std::string_view key) const;  // stored
  std::vector<std::string> keys() const;
  // The distinct first path components below a prefix, in the file's order; numbers (cases, steps)
  // in ascending order.
  std::vector<std::string> cases(std::string_view prefix = "") const;
  std::string dtype(const std::string& key) const;     // "F64", "I64", ...
  Array array(const std::string& key);                 // stored only; marks the key as used
  std::vector<uint8_t> bytes(const std::string& key);  // of a U8 tensor
  // "x", "R" and the like: stored under `name`; or described by config.<role>, which is {name,
  // shape, lo, hi} or a name in the fill table; or `name` there. `role` defaults to the name.
  Array input(const std::string& name, const char* role = nullptr);
  bool has_input(const std::string& name) const;
  Fill* fill() { return fill_ ? &*fill_ : nullptr; }

  // ---- comparisons ------------------------------------------------------------------------------
  // max|ours - stored| / max(max|stored|, 1e-6); stored integers must be equal. In bfloat16 the
  // distance as vectors, |ours - stored| / |stored|: see Note [Bfloat16 parity].
  void compare(const std::string& key, const Array& ours);
  void compare(const std::string& key, double ours) { compare(key, Array{{}, {ours}}); }
  // The samples <group>idx/<name>, <group>val/<name> of a tensor with their own error measure:
  // |ours - stored| / max(|stored|, norm / sqrt(numel), 1e-6); also <group>norm/ and <group>sum/
  // where stored. `ours` is in the fixture's layout.
  void compare_samples(const std::string& group, const std::string& name, const Array& ours);
  // Any other measure: an error and its limit.
  void record(const std::string& what, double error, double limit);
  // Anything without a measure: a failure with this message unless the condition holds.
  void expect(bool condition, std::string message);
  // A remark for the reader of the results; no failure.
  void remark(std::string message) { remarks_.push_back(std::move(message)); }
  // A stored tensor that is not compared, with the reason.
  void ignore(const std::string& key, std::string_view reason);
  // Everything stored or filled but never used becomes a failure.
  void finish();

  double worst() const { return worst_; }                    // the largest error recorded
  int compared() const { return compared_; }                 // tensors compared
  const std::vector<std::string>& failures() const { return failures_; }
  const std::vector<std::string>& remarks() const { return remarks_; }

 private:
  double limit_of(const std::string& key) const;  // of a tensor, in the compute dtype
  void use(const std::string& key);
  void fail_with(std::string message);

  std::filesystem::path dir_;
  std::string name_;
  const Json& entry_;
  double limit_ = 0;
  std::unique_ptr<SafeTensorsFile> file_;  // none for files of other formats
  std::optional<Fill> fill_;
  std::set<std::string, std::less<>> unused_;
  std::vector<std::string> failures_, remarks_;
  double worst_ = 0;
  int compared_ = 0;
};

// How one kind is computed. `kind` is the manifest's; run() compares and records.
struct Kind {
  const char* kind;
  void (*run)(Fixture& fixture);
  bool bf16 = false;  // also in bfloat16
};

// One list per source file of the same name.
const std::vector<Kind>& head_kinds();
const std::vector<Kind>& block_kinds();
const std::vector<Kind>& fullnet_kinds();
const std::vector<Kind>& clip_kinds();
const std::vector<Kind>& loss_kinds();
const std::vector<Kind>& optim_kinds();
const std::vector<Kind>& metric_kinds();
const std::vector<Kind>& image_kinds();
const std::vector<Kind>& misc_kinds();
const std::vector<Kind>& train_kinds();

}  // namespace mld::parity
