#include "session/event_copies.h"

namespace vs::session {

void EventCopies::reserve(std::size_t events) {
  most_ = events;
  events_.reserve(events);
  text_.reserve(events * kTextBytes);
}

void EventCopies::clear() {
  events_.clear();
  text_.clear();
  long_texts_.clear();
}

bool EventCopies::add(const model::Event& event) {
  if (events_.size() == most_) return false;
  std::size_t size = 0;
  for (const std::string_view text : event.texts) size += text.size();
  const bool fits = size <= most_ * kTextBytes - text_.size();
  if (!fits && !events_.empty()) return false;
  model::Event& to = events_.emplace_back(event);
  if (fits) {
    copy_texts(to, size);
    return true;
  }
  long_texts_.reserve(model::kMaxTexts);  // of a first event alone
  for (std::string_view& text : to.texts) text = long_texts_.emplace_back(text);
  return true;
}

void EventCopies::copy_texts(model::Event& to, std::size_t size) {
  if (size == 0) return;
  for (std::string_view& text : to.texts) {
    const std::size_t at = text_.size();
    text_ += text;
    text = std::string_view(text_).substr(at, text.size());
  }
}

}  // namespace vs::session
