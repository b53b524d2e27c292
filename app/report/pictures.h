// Small pictures inside a page, as many as its size allows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "app/report/slots.h"
#include "data/image.h"

namespace mld {

// A JPEG file of at most `side` pixels a side; smaller pictures keep their size.
// Errors: Error in a build without MLD_PICTURES.
std::vector<uint8_t> thumbnail(const Image& image, int side);

// The bytes of HTML that a picture takes, and at most a name (Slots::set_name).
size_t picture_bytes(std::span<const uint8_t> jpeg);
size_t name_bytes(std::string_view name);

// Puts a picture at {{>IMAGE}}. `alt`: the picture in words.
void show_picture(const Slots& to, std::span<const uint8_t> jpeg, std::string_view alt);

// The bytes of a page that pictures may take; those that do not fit are counted and left out.
class PictureBudget {
 public:
  explicit PictureBudget(size_t bytes) : all_(bytes), left_(bytes) {}

  // Whether a picture that takes so many bytes, with all that belongs to it, fits.
  bool take(size_t bytes);
  // Adds the section {{#name}}, with the picture in {{>IMAGE}}, and returns it for its other
  // variables; nullopt if the picture does not fit. `alt`: the picture in words.
  std::optional<Slots> add(const Slots& to, const char* name, std::span<const uint8_t> jpeg,
                          std::string_view alt);
  size_t used() const { return all_ - left_; }
  int64_t added() const { return added_; }
  int64_t left_out() const { return left_out_; }

 private:
  size_t all_, left_;
  int64_t added_ = 0, left_out_ = 0;
};

// The bytes of a page that the rows of one table may take, all tables' names being of any length.
class RowBudget {
 public:
  // `markup`: of a row, besides its name.
  explicit RowBudget(size_t markup, size_t bytes = 800'000) : markup_(markup), left_(bytes) {}

  // Whether a row with this name fits; after one that does not, none does.
  bool take(std::string_view name);

 private:
  size_t markup_, left_;
};

}  // namespace mld
