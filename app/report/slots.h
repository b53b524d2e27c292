// Fills templates (Google's ctemplate): what a page shows, never as HTML text.
//
// A template is a file beside this one. {{NAME}} stands for a text, {{#NAME}} ... {{/NAME}} for a
// section that is shown as often as it was added, {{>NAME}} for another template. Every file begins
// with {{%AUTOESCAPE context="HTML"}} (JAVASCRIPT, CSS): ctemplate parses what surrounds a text
// (an element, an attribute, a URL, a script, a style) and escapes the text for that place.
#pragma once

#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <fmt/core.h>

namespace ctemplate {
class TemplateDictionary;
}

namespace mld {

// The variables and sections of one template, or of one section in it. A copy means the same slots.
class Slots {
 public:
  // Any bytes: control characters, direction marks and what is not UTF-8 become visible, as by
  // printable_lines().
  void set(const char* variable, std::string_view text);
  void set(const char* variable, std::integral auto number) {
    set(variable, fmt::format("{}", number));
  }
  // Sets `variable` to the first characters of a long name and `variable`_FULL to all of it, for a
  // title attribute.
  void set_name(const char* variable, std::string_view name);
  // For {{variable:x-base64}} behind "data:image/jpeg;base64,".
  void set_base64(const char* variable, std::span<const uint8_t> bytes);

  // Shows a section once more. It sees the variables around it.
  Slots section(const char* name) const;
  // The same for a section that needs nothing else, or one variable of its own.
  void show(const char* name) const { section(name); }
  void show(const char* section_name, const char* variable, std::string_view text) const {
    section(section_name).set(variable, text);
  }
  // Puts a template at {{>marker}}. It does not see the variables around it.
  Slots include(const char* marker, const char* file) const;

 private:
  friend class Document;
  explicit Slots(ctemplate::TemplateDictionary* dictionary) : dictionary_(dictionary) {}
  ctemplate::TemplateDictionary* dictionary_;
};

// A page.
class Document {
 public:
  explicit Document(const char* file);
  ~Document();
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  Slots root() const { return Slots(dictionary_.get()); }
  // Errors: Error for a template that is missing or malformed: a mistake of ours.
  std::string html() const;

 private:
  const char* file_;
  std::unique_ptr<ctemplate::TemplateDictionary> dictionary_;
};

}  // namespace mld
