\pset pager off
\d
\dt
\d authors
\d+ authors
\d notes
\d+ notes
\d note_view
\d+ note_view
\d stars
\d+ measures
\d measures_2024
\d special
\d far
\d+ far
\d notes_pkey
\d+ notes_stars
\d notes_id_seq
\d counter
\d pair
\d n*
\dt n*
\dti n*
\di+ notes_stars
\di
\dv
\dm
\ds
\dE
\dtvmsE public.*
\dn public
\dn+ public
\df
\df+ twice
\dfant
\dft
\df twice int
\da total
\dT
\dT+ mood
\dT pair
\dD
\dD+ positive
\dC mood
\do public.*
\do = int4 int4
\dO
\dO+ german
\dp
\dp notes
\z measures
\ddp
\dL
\dL+ plpgsql
\dx
\dx+ plpgsql
\dy
\dX
\db
\dc public.*
\dconfig work_mem
\det
\det+
\des
\des+
\dew
\dew+
\deu
\dF
\dF+ searching
\dFd simple
\dFp
\dFt simple
\dg postgres
\du postgres
\du+ postgres
\drds postgres
\dRp
\dRp+
\dRs
\dP
\dP+ measures
\dA
\dA+ btree
\dAc btree integer
\dAf btree integer
\dAo btree integer_ops
\dAp btree integer_ops
\dd
\dd notes
\dl
\l postgres
\sf twice
\sf+ stamp
\sv note_view
\sv+ note_view
SELECT id, body, doc, at, amount FROM notes \gdesc
SELECT * FROM note_view \gdesc
SELECT body, doc FROM notes \gx
SELECT 'SELECT stars FROM notes' \gexec
SELECT slug, org, stars FROM notes \crosstabview
