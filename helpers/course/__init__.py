"""The commands of the course: set it up, open it, test it, check the machine.

Everything up to the point where the course's environment is there (`environment`, `install`,
`requirements`, `turn`) needs the standard library alone; `lab`, `tests` and `check` run inside it.
"""
