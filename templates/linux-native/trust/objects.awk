# JSON without line ends inside, cut before each object; a brace in a text, such as the name of a class, begins none.
{
  while (match($0, /"([^"\\]|\\.)*"|[{]/)) {
    if (substr($0, RSTART, 1) == "{") printf "%s\n", substr($0, 1, RSTART - 1)
    else printf "%s", substr($0, 1, RSTART + RLENGTH - 1)
    $0 = substr($0, RSTART + RLENGTH)
  }
  print
}
