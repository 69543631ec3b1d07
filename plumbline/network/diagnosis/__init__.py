"""What is wrong with a training, why, and what to do: watched while it runs, judged after.

`watch` follows a training, `evidence` is what was seen, `rulebook` lists the rules that judge
it, `report` tells the findings. docs/diagnosis.md lists every rule with its numbers.
"""
