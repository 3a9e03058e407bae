# One line "VERSION VERSION" to older, same or newer: Semantic Versioning 2.0.0, section 11.

# -1, 0 or 1 of two identifiers: numbers by value and below words, words by their bytes.
function order(a, b,  left, right) {
  left = (a ~ /^[0-9]+$/)
  right = (b ~ /^[0-9]+$/)
  if (left != right) return left ? -1 : 1
  if (left && length(a) != length(b)) return (length(a) < length(b)) ? -1 : 1
  return (("x" a) < ("x" b)) ? -1 : (("x" a) > ("x" b))
}

# The same of two lists of identifiers; the longer one is higher where all before is equal.
function sides(a, b,  n, m, i, o, x, y) {
  n = split(a, x, ".")
  m = split(b, y, ".")
  for (i = 1; i <= n && i <= m; i++) {
    o = order(x[i], y[i])
    if (o) return o
  }
  return (n < m) ? -1 : (n > m)
}

function before(text, mark,  at) {
  at = index(text, mark)
  return at ? substr(text, 1, at - 1) : text
}

function after(text, mark,  at) {
  at = index(text, mark)
  return at ? substr(text, at + 1) : ""
}

{
  a = before($1, "+")
  b = before($2, "+")
  result = sides(before(a, "-"), before(b, "-"))
  a = after(a, "-")
  b = after(b, "-")
  if (!result && (a == "") != (b == "")) result = (a == "") ? 1 : -1
  else if (!result && a != "") result = sides(a, b)
  print ((result < 0) ? "older" : (result > 0) ? "newer" : "same")
}
